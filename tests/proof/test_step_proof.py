"""The proof of a decoding step: sound ones pass, faults in its derivation and in its file are found and blamed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.export import link_program, write_model
from stackc.frontend import Checked, Overrides, check_source
from stackc.ir.decoding import Decoding
from stackc.modules.attention_step import AttentionStep
from stackc.modules.positions_step import PositionsAfterPast
from stackc.onnx_format.files import STEP
from stackc.proof.components import Reference
from stackc.proof.step_proof import StepParity, prove_step
from stackc.runtime import open_session
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower
from stackc.torch_backend.state import state_arrays

SPECS = Path(__file__).parents[2] / "specs"
DECODE = "\ndecode: {along: seq, inputs: [input_ids], whole: [attention_mask], outputs: [logits]}\n"
SMALL = {"vocab": "61", "dim": "16", "layers": "2", "heads": "2", "hidden": "24", "positions": "16"}


@dataclass(frozen=True)
class Written:
    """A model and its step, written to a folder."""

    checked: Checked
    reference: Reference
    folder: Path

    @property
    def decoding(self) -> Decoding:
        assert self.checked.decoding is not None
        return self.checked.decoding

    def proven(self, decoding: Decoding | None = None, file: str = STEP) -> StepParity:
        path = self.folder / file
        program, ranges = self.checked.program, self.checked.ranges
        return prove_step(program, decoding or self.decoding, self.reference, open_session(path, "cpu"), path, ranges)

    def failure(self, decoding: Decoding | None = None, file: str = STEP) -> Diagnostic:
        with pytest.raises(SpecError) as caught:
            self.proven(decoding, file)
        (found,) = caught.value.diagnostics
        return found


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    name: str = request.param
    params = SMALL | ({"kv_heads": "1"} if name == "llama" else {})
    text = (SPECS / f"{name}.yaml").read_text(encoding="utf-8") + DECODE
    checked = check_source(Source(f"{name}.yaml", text), Overrides(params=params))
    module = lower(checked.typed, seed=1).eval()
    torch.manual_seed(0)
    for parameter in module.parameters():  # biases start as zeros, norms as ones
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)

    assert checked.decoding is not None
    folder = tmp_path_factory.mktemp(name)
    linked, step = (link_program(program, opset=18) for program in (checked.program, checked.decoding.program))
    write_model(linked, state_arrays(module), folder, step=step)
    return Written(checked, Reference.of(module), folder)


def test_a_sound_step_passes(written: Written) -> None:
    parity = written.proven()
    assert parity.longest == 15
    assert {row.output for row in parity.rows} == {*written.decoding.program.outputs}
    assert {row.pieces.point.draw for row in parity.rows} == {"full", "random"}
    assert all(row.verdict.problem is None and row.verdict.numbers > 0 for row in parity.rows)


def test_both_files_share_their_weights(written: Written) -> None:
    models = [onnx.load(written.folder / name, load_external_data=False) for name in ("model.onnx", STEP)]
    stored = [
        {(t.name, *(entry.value for entry in t.external_data)) for t in model.graph.initializer if t.external_data}
        for model in models
    ]
    assert stored[0] == stored[1] != set()
    assert {file.name for file in written.folder.iterdir()} >= {"model.onnx", "model.onnx.data", STEP}


def attentions(written: Written) -> list[str]:
    return list(dict.fromkeys(state.owner for state in written.decoding.states))


def test_states_of_another_layer(written: Written) -> None:
    first, second = attentions(written)
    swapped = {f"past.{first}.keys": f"past.{second}.keys", f"past.{second}.keys": f"past.{first}.keys"}
    program = written.decoding.program
    calls = tuple(replace(c, inputs=tuple(swapped.get(name or "", name) for name in c.inputs)) for c in program.calls)
    found = written.failure(replace(written.decoding, program=replace(program, calls=calls)))
    assert found.code == "G921"
    assert found.message.startswith(
        f"'{first}' (attention) in the step is not that of the whole model: at batch=2, seq=7"
    )
    assert found.span == next(call.span for call in program.calls if call.path == first)


def test_a_step_that_keeps_another_state_than_it_uses(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of the new positions are lost when they are kept."""
    honest: Callable[..., Any] = AttentionStep.attend_all

    def forgetful(self: AttentionStep, *arguments: Any) -> Any:
        y, keys, values = honest(self, *arguments)
        new = y.shape[1]
        return y, keys, torch.cat((values[:, :, :-new], 0 * values[:, :, -new:]), dim=2)

    monkeypatch.setattr(AttentionStep, "attend_all", forgetful)
    found = written.failure()
    assert (found.code, found.message.partition(" ")[0]) == ("G921", f"'{attentions(written)[0]}'")


def test_positions_that_are_off_by_one(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first step, so that distances are off too."""

    def forward(self: PositionsAfterPast, x: Tensor, past: Tensor) -> Tensor:
        count = past.shape[self.past_axis]
        return (torch.arange(x.shape[self.axis]) + max(count - 1, 0)).unsqueeze(0)

    monkeypatch.setattr(PositionsAfterPast, "forward", forward)
    found = written.failure()
    first = "wpe" if written.checked.document.name == "gpt2" else attentions(written)[0]
    assert (found.code, found.message.partition(" ")[0]) == ("G921", f"'{first}'")


def tampered(written: Written, name: str, change: Callable[[onnx.NodeProto], None]) -> str:
    """A copy of the step in which the Concat that appends keys of the second attention is changed."""
    model = onnx.load(written.folder / STEP, load_external_data=False)
    past = f"past.{attentions(written)[1]}.keys"
    (node,) = (node for node in model.graph.node if node.op_type == "Concat" and past in node.input)
    change(node)
    (written.folder / name).write_bytes(model.SerializeToString())
    return name


def test_a_file_that_puts_new_keys_first(written: Written) -> None:
    def reverse(node: onnx.NodeProto) -> None:
        node.input[:] = [*node.input][::-1]

    found = written.failure(file=tampered(written, "first.onnx", reverse))
    second = attentions(written)[1]
    assert found.code == "G922"
    assert found.message.startswith(f"'{second}' (attention) in the step differs from PyTorch: at batch=2, seq=7")
    assert found.span == next(call.span for call in written.decoding.program.calls if call.path == second)


def test_a_file_that_keeps_values_as_keys(written: Written) -> None:
    def values(node: onnx.NodeProto) -> None:
        node.input[0] = node.input[0].replace(".keys", ".values")

    found = written.failure(file=tampered(written, "values.onnx", values))
    assert (found.code, found.message.partition(" ")[0]) == ("G922", f"'{attentions(written)[1]}'")
