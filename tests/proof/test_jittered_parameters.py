"""Parameters that start constant: what is swapped among them is found, whatever they are folded into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tests.proof.test_file_tensors import Change, Kinds

from stackc.core.diagnostics import SpecError
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.components import Reference
from stackc.proof.jittered_parameters import JitteredModel, jitter_constants
from stackc.proof.points import JITTERED
from stackc.proof.stamped_model import StampedModel

pytestmark = pytest.mark.slow

# `log` starts with one number, `gate` with zeros, `tied` shares the constant weight of a norm
SPEC = """\
stackc: 1
name: constants
dims: {batch: {max: 3}}
inputs: {x: {shape: [batch, 8]}}
graph: |
  x --> norm1[layer_norm]
  norm1 --> up[linear]
  up --> norm2[layer_norm]
  norm2 --> tied[layer_norm]
  tied --> mean[batch_norm]
  mean --> relu
  relu --> variance[batch_norm]
  variance --> y[linear]
nodes:
  up: {out: 8}
  tied: {tie: {weight: norm1.weight}}
  y: {out: 4}
"""


@pytest.fixture(scope="module")
def constants(tmp_path_factory: pytest.TempPathFactory) -> Kinds:
    return Kinds.of(SPEC, tmp_path_factory.mktemp("constants"))


def read(node: str, *names: str) -> Change:
    """Make a node read other tensors in the place of its last inputs."""

    def change(graph: onnx.GraphProto) -> None:
        changed = next(candidate for candidate in graph.node if candidate.name == node)
        changed.input[len(changed.input) - len(names) :] = names

    return change


# a batch norm is Add of its negated mean, then BatchNormalization with a mean of zeros, which is constant/0
FAULTS: list[tuple[Change, str]] = [
    (read("norm1/LayerNormalization", "norm2.weight", "norm1.bias"), "norm1"),
    (read("norm2/LayerNormalization", "norm2.weight", "norm1.bias"), "norm2"),
    (read("mean/BatchNormalization", "constant/0", "variance.running_var"), "mean"),
    (read("mean/BatchNormalization", "mean.running_mean", "constant/0", "mean.running_var"), "mean"),
    (read("variance/BatchNormalization", "variance.running_var", "variance.bias", "constant/0", "variance.weight"),
     "variance"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "call"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_swapped_constants_are_found_at_their_component(
    change: Change, call: str, constants: Kinds, tmp_path: Path
) -> None:
    path = constants.changed(tmp_path, change)
    assert not constants.compare(path).problems  # each tensor is what it should be, and only another one is read
    constants.prove(path, compare=False)  # which no draw of inputs shows

    with pytest.raises(SpecError) as caught:
        constants.prove(path)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span and diagnostic.span.line) == ("P701", constants.line(call))
    assert diagnostic.message.startswith(f"'{call}' (")
    assert "(random, constant parameters jittered) it is " in diagnostic.message


def jittered(kinds: Kinds) -> tuple[Reference, JitteredModel]:
    under_test = ModelUnderTest(StampedModel.load(kinds.path, kinds.checked.program), "cpu", 1)
    reference = Reference.of(kinds.module)
    model = jitter_constants(under_test, reference, kinds.linked.graph)
    assert model is not None
    return reference, model


def test_which_tensors_are_jittered_and_to_what(constants: Kinds) -> None:
    reference, model = jittered(constants)
    before, after = reference.single.state_dict(), model.reference.single.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    norms, statistics = ("norm1", "norm2", "tied", "mean", "variance"), ("running_mean", "running_var")
    assert moved == {f"{norm}.{name}" for norm in norms for name in ("weight", "bias")} | {
        f"{norm}.{name}" for norm in norms[3:] for name in statistics
    }

    assert after["tied.weight"].data_ptr() == after["norm1.weight"].data_ptr()
    assert all((after[f"{norm}.running_var"] > 0.5).all() for norm in norms[3:])
    numbers = torch.cat([after[name] for name in sorted(moved - {"tied.weight"})])
    assert numbers.unique().numel() == numbers.numel()
    # nothing else is copied, and the module keeps its numbers
    assert after["up.weight"].data_ptr() == constants.module.get_parameter("up.weight").data_ptr()
    assert (constants.module.get_parameter("norm1.weight") == 1).all()

    truth = model.reference.double.state_dict()
    assert all(
        torch.equal(truth[name], tensor.double()) for name, tensor in after.items() if tensor.is_floating_point()
    )
    for name in moved - {"tied.weight"}:
        number = -after[name] if name.endswith("running_mean") else after[name]
        np.testing.assert_array_equal(model.under_test.stamped.overrides[name], number.numpy())


def test_a_sound_model_passes_with_a_row_for_the_point(constants: Kinds) -> None:
    parity = constants.prove(constants.path)
    (row,) = [row for row in parity.rows if row.point.name == JITTERED]
    assert (row.output, row.verdict.problem) == ("y", None)
    paths = [row.path for row in parity.components if row.point.name == JITTERED]
    assert paths == ["norm1", "norm2", "tied", "mean", "variance"]


FOLDED = """\
stackc: 1
name: folded
dims: {batch: {max: 3}, seq: {max: 5}}
inputs: {x: {shape: [batch, seq, 8]}}
graph: x --> attn[attention] --> y[linear]
nodes: {attn: {heads: 2}, y: {out: 4, reparam: {weight: weight_norm}}}
"""


def test_folded_constants_are_folded_anew(tmp_path: Path) -> None:
    """The three biases of an attention are joined in one tensor, a weight is calculated from its lengths."""
    folded = Kinds.of(FOLDED, tmp_path)
    with torch.no_grad():
        for name in ("attn.q.bias", "attn.k.bias", "attn.v.bias"):
            folded.module.get_parameter(name).zero_()
        folded.module.get_parameter("y.parametrizations.weight.original0").fill_(0.5)

    _, model = jittered(folded)
    state, double = model.reference.single.state_dict(), model.reference.double
    overrides = model.under_test.stamped.overrides
    assert overrides.keys() == {"attn.q+k+v.bias", "y.weight"}
    biases = [state[f"attn.{part}.bias"] for part in "qkv"]
    np.testing.assert_array_equal(overrides["attn.q+k+v.bias"], torch.cat(biases).numpy())
    linear = double.get_submodule("y")
    assert isinstance(linear.weight, torch.Tensor)
    weight = linear.weight.detach().numpy()
    np.testing.assert_allclose(overrides["y.weight"], weight if weight.shape == (8, 4) else weight.T, rtol=1e-6)


def test_a_model_without_constants_has_no_such_point(tmp_path: Path) -> None:
    plain = Kinds.of("stackc: 1\nname: plain\ninputs: {x: {shape: [batch, 3]}}\ngraph: x --> y[linear]\n"
                     "nodes: {y: {out: 2}}\n", tmp_path)  # fmt: skip
    under_test = ModelUnderTest(StampedModel.load(plain.path, plain.checked.program), "cpu", 1)
    assert jitter_constants(under_test, Reference.of(plain.module), plain.linked.graph) is None
