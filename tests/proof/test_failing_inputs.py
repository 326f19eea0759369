"""A module that fails on drawn inputs: the help names declarations with which it runs wherever the contract allows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, Overrides, check_source
from stackc.pipeline import Options, build
from stackc.proof.eager import run_eager
from stackc.proof.failing_inputs import remedy
from stackc.proof.points import draws
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

HERE = __name__
TRUST = Overrides(trust=(HERE,))


class Norm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.instance_norm(x)


class Window(nn.Module):
    """A kernel of 5 over both axes of the positions."""

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) < 5:
            raise ValueError("too small")
        return x


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(37, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.table(torch.arange(x.shape[1]))[None] + x[..., None]
        return y


class Table(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.table(x)
        return y


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.large, self.small = nn.Embedding(1000, 4), nn.Embedding(7, 4)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        y: Tensor = self.large(x) + self.small(other)
        return y


class Never(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("never")


def spec(make: str, shape: str, declared: str = "", dims: str = "") -> str:
    contract = f"dims: {{{dims}}}" if dims else ""
    return f"""\
stackc: 1
name: failing
{contract}
inputs: {{x: {{shape: [{shape}]{declared}}}}}
graph: x --> y[torch]
nodes: {{y: {{of: {HERE}.{make}}}}}
"""


IDS = ", dtype: int64, below: 50"
TWO = (
    f"stackc: 1\nname: failing\ninputs: {{x: {{shape: [batch]{IDS}}}, other: {{shape: [batch]{IDS}}}}}\n"
    f"graph: |\n  x --> y[torch]\n  other -->|other| y\nnodes: {{y: {{of: {HERE}.Two}}}}\n"
)
CASES = {
    "one position": (spec("Norm", "batch, 4, length"), "`dims: {length: {min: 2}}`"),
    "one position of a step": (
        spec("Norm", "batch, 4, length", dims="length: {max: 90}"), "`dims: {length: {min: 2, max: 90}}`"
    ),
    "two axes at once": (spec("Window", "batch, 4, h, w"), "`dims: {h: {min: 5}, w: {min: 5}}`"),
    "in steps": (spec("Window", "batch, 4, h, 8", dims="h: {multiple_of: 4}"), "`dims: {h: {min: 8, multiple_of: 4}}`"),
    "too many positions": (spec("Positions", "batch, seq"), "`dims: {seq: {max: 37}}`"),
    "beyond a table": (spec("Table", "batch, 3", IDS), "`x: {below: 10}`"),
    "one of two inputs": (TWO, "`other: {below: 7}`"),
}  # fmt: skip


def first_failure(checked: Checked, module: nn.Module) -> tuple[Mapping[str, int], dict[str, object]] | None:
    for point, feeds in draws(checked.program, checked.ranges):
        try:
            run_eager(module, feeds, checked.program)
        except (ValueError, IndexError):
            return point.sizes, dict(feeds)
    return None


def followed(text: str, help: str) -> str:
    """The spec with what the help shows between backticks."""
    shown = help.split("`")[1]
    if shown.startswith("dims:"):
        kept = [line for line in text.splitlines() if line and not line.startswith("dims:")]
        return "\n".join([*kept, shown, ""])
    name, _, declared = shown.partition(": ")
    before, _, after = text.partition(f"{name}: {{shape: [batch")
    return before + f"{name}: {{shape: [batch" + after.replace("below: 50", declared.strip("{}"), 1)


@pytest.mark.parametrize("name", CASES)
def test_the_help_names_what_works(name: str) -> None:
    text, expected = CASES[name]
    checked = check_source(Source("failing.yaml", text), TRUST)
    module = lower(checked.typed).eval()
    failure = first_failure(checked, module)
    assert failure is not None
    sizes, feeds = failure
    help = remedy(checked.program, module, sizes, feeds)  # type: ignore[arg-type]  # arrays
    assert help is not None
    assert expected in help

    # following it: the module runs at every point
    again = check_source(Source("failing.yaml", followed(text, help)), TRUST)
    assert first_failure(again, lower(again.typed).eval()) is None


def test_without_a_remedy_there_is_no_help() -> None:
    checked = check_source(Source("failing.yaml", spec("Table", "batch", IDS)), TRUST)
    feeds = dict(next(draws(checked.program, checked.ranges))[1])
    assert remedy(checked.program, Never(), {"batch": 1}, feeds) is None


@pytest.mark.slow
def test_a_build_follows(tmp_path: Path) -> None:
    path = tmp_path / "failing.yaml"
    text, _ = CASES["one position"]
    path.write_text(text, encoding="utf-8")
    options = Options(overrides=TRUST, out=tmp_path, measure=False)
    with pytest.raises(SpecError) as caught:
        build(path, options)
    (error,) = caught.value.diagnostics
    assert (error.code, error.hint) == ("P705", "declare the sizes that it works at: `dims: {length: {min: 2}}`")

    path.write_text(followed(text, error.hint or ""), encoding="utf-8")
    assert build(path, options).parity is not None
