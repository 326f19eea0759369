"""Norms and variances of large mean: a file is at most four times as far from the truth as PyTorch in float32.

The truth is the same module in float64. Each error is the largest of several draws, since PyTorch may be exact by luck
in one of them, and counts as two units in the last place at least.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from torch import Tensor, nn

from stackc.export import link_program, write_model
from stackc.export.translations import TRANSLATIONS
from stackc.frontend import check_source
from stackc.runtime import open_session, run_once
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

pytestmark = pytest.mark.slow

Array = npt.NDArray[Any]

MEANS = (0, 10, 100, 1000, 10_000)
SIZES = ({"batch": 1, "len": 2, "h": 1, "w": 1}, {"batch": 3, "len": 300, "h": 40, "w": 30})
DRAWS = 4

INPUTS = """\
  row:    {shape: [batch, 32]}
  wide:   {shape: [batch, 4096]}
  seq:    {shape: [batch, len, 16]}
  signal: {shape: [batch, 6, len]}
  image:  {shape: [batch, 8, h, w]}
  video:  {shape: [batch, 4, 3, h, w]}
"""

NORMS = {  # the input and the fields of each
    "layer_norm": [("row", ""), ("wide", ""), ("image", "axis: 1")],
    "rms_norm": [("wide", ""), ("image", "axis: 1")],
    "batch_norm": [("row", ""), ("seq", "axis: -1"), ("video", "axis: 1")],
    "instance_norm": [("seq", "axis: -1"), ("signal", "axis: 1, affine: true")],
    "group_norm": [
        ("row", "groups: 4"),
        ("seq", "groups: 4, axis: -1, affine: false"),
        ("signal", "groups: 6, axis: 1"),
        ("image", "groups: 2, axis: 1"),
        ("video", "groups: 2, axis: 1"),
    ],
    "l2_normalize": [("image", "axis: 1")],
}


def spec_of(ops: Iterable[str]) -> str:
    """A spec in which every norm of these ops is an output."""
    norms = [(f"{op}_{name}", op, name, fields) for op in ops for name, fields in NORMS[op]]
    used = {name for _, _, name, _ in norms}
    lines = ["stackc: 1", "name: norms", "dims: {len: {min: 2}}", "inputs:"]
    lines += [line for line in INPUTS.splitlines() if line.split(":")[0].strip() in used]
    lines += ["graph: |", *(f"  {name} --> {node}[{op}]" for node, op, name, _ in norms)]
    lines += ["nodes:", *(f"  {node}: {{{fields}}}" for node, _, _, fields in norms if fields)]
    return "\n".join([*lines, f"outputs: [{', '.join(node for node, *_ in norms)}]", ""])


class Errors:
    """The largest error of the file and of PyTorch, and the largest number of the truth, by name."""

    def __init__(self) -> None:
        self.file: dict[str, float] = defaultdict(float)
        self.torch: dict[str, float] = defaultdict(float)
        self.largest: dict[str, float] = defaultdict(float)

    def add(self, name: str, file: Array, torch: Array, truth: Array) -> None:
        """Take one more draw into account; a NaN is an infinite error."""
        self.file[name] = max(self.file[name], float(np.nan_to_num(np.abs(file - truth), nan=np.inf).max()))
        self.torch[name] = max(self.torch[name], float(np.abs(torch - truth).max()))
        self.largest[name] = max(self.largest[name], float(np.abs(truth).max()))

    @property
    def too_large(self) -> dict[str, float]:
        """How many times as far from the truth as PyTorch the file is, where that is more than four times."""
        floor = {name: 2 * float(np.spacing(np.float32(largest))) for name, largest in self.largest.items()}
        ratios = {name: error / max(self.torch[name], floor[name]) for name, error in self.file.items()}
        return {name: ratio for name, ratio in ratios.items() if ratio > 4}


def randomize(module: nn.Module, mean: float) -> None:
    """Draw weights and biases, and statistics of numbers with this mean."""
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 + (mean if name.endswith("running_mean") else 0))


def tensors_of(module: nn.Module) -> dict[str, Array]:
    return {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize(
    ("opset", "target", "ops"),
    [
        (18, "portable", NORMS),
        (20, "ort", ["instance_norm", "group_norm"]),
        (21, "portable", ["instance_norm", "group_norm"]),
        (23, "portable", NORMS),
        (23, "ort", ["layer_norm", "group_norm"]),
    ],
)
def test_normalizations(opset: int, target: str, ops: Iterable[str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    checked = check_source(Source("norms.yaml", spec_of(ops)))
    program, module = checked.program, lower(checked.typed).eval()
    linked = link_program(program, opset=opset, target=target)

    errors = Errors()
    for mean in MEANS:
        randomize(module, mean)
        path = write_model(linked, tensors_of(module), tmp_path).paths[0]
        sessions = {optimize: open_session(path, "cpu", threads=1, optimize=optimize) for optimize in (True, False)}
        double = copy.deepcopy(module).double()
        for number, sizes in enumerate(SIZES * DRAWS):
            shapes = {name: [dim.evaluate(sizes) for dim in x.shape] for name, x in program.inputs.items()}
            feeds = {name: (random.standard_normal(s) + mean).astype(np.float32) for name, s in shapes.items()}
            inputs = [torch.from_numpy(x) for x in feeds.values()]
            with torch.no_grad():
                singles, truths = module(*inputs), double(*(x.double() for x in inputs))
            for optimize, session in sessions.items():
                for (name, y), single, truth in zip(session.run(feeds).items(), singles, truths, strict=True):
                    key = f"{name} at mean {mean}, sizes {number % len(SIZES)}, optimize {optimize}"
                    errors.add(key, y, single.numpy(), truth.numpy())

    assert errors.too_large == {}


@pytest.mark.parametrize("axes", ["", "axes: [1]"])
def test_standardized_weights(axes: str, tmp_path: Path) -> None:
    fields = f"{{out: 256, bias: false, reparam: {{weight: {{standardize: {{{axes}}}}}}}}}"
    spec = (
        f"stackc: 1\nname: x\ninputs: {{x: {{shape: [batch, 512]}}}}\ngraph: x --> y[linear]\nnodes: {{y: {fields}}}\n"
    )
    checked = check_source(Source("x.yaml", spec))
    module, linked = lower(checked.typed), link_program(checked.program)
    original = module.get_parameter("y.parametrizations.weight.original")

    errors = Errors()
    for mean in MEANS:
        with torch.no_grad():
            original.copy_(torch.randn(original.shape, generator=torch.Generator().manual_seed(mean)) + mean)
        path = write_model(linked, tensors_of(module), tmp_path).paths[0]
        columns = open_session(path, "cpu").run({"x": np.eye(512, dtype=np.float32)})["y"].T
        weight, over = original.detach().double(), (1,) if axes else (0, 1)
        truth = (weight - weight.mean(over, keepdim=True)) / (weight.std(over, correction=0, keepdim=True) + 1e-5)
        plain = original.detach()
        single = (plain - plain.mean(over, keepdim=True)) / (plain.std(over, correction=0, keepdim=True) + 1e-5)
        errors.add(f"mean {mean}", columns, single.numpy(), truth.numpy())

    assert errors.too_large == {}


class Statistics(nn.Module):
    """What a custom module may do: functions of torch that no component has."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """x [batch, 6, n] → variances and standard deviations over one axis, several and all, and norms."""
        return (
            x.var(-1),
            x.std(dim=1),
            torch.var(x, dim=(0, 2), correction=0, keepdim=True),
            torch.std_mean(x, -1, correction=3)[0],
            x.var().reshape(1),
            nn.functional.group_norm(x, 3, bias=torch.ones(6, dtype=x.dtype)),
            nn.functional.instance_norm(x, weight=torch.full((6,), 2.0, dtype=x.dtype)),
            nn.functional.instance_norm(
                x, torch.zeros(6, dtype=x.dtype), torch.ones(6, dtype=x.dtype), use_input_stats=False
            ),
        )


@pytest.mark.parametrize("opset", [18, 23])
def test_functions_of_torch(opset: int) -> None:
    module = Statistics()
    dynamic = ({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},)
    program = torch.export.export(module, (torch.zeros(3, 6, 7),), dynamic_shapes=dynamic)
    exported = torch.onnx.export(program, opset_version=opset, custom_translation_table=TRANSLATIONS, verbose=False)
    assert exported is not None
    model = exported.model_proto
    onnx.checker.check_model(model, full_check=True)

    errors = Errors()
    for mean in MEANS:
        for shape in ((3, 6, 4), (8, 6, 3000)):
            x = torch.randn(shape, generator=torch.Generator().manual_seed(mean)) + mean
            results = run_once(model.SerializeToString(), {model.graph.input[0].name: x.numpy()})
            for number, each in enumerate(zip(results, module(x), module(x.double()), strict=True)):
                file, single, truth = each
                errors.add(f"{number} at mean {mean}", file, single.numpy(), truth.numpy())

    assert errors.too_large == {}


def test_equal_numbers_have_no_variance() -> None:
    """What is subtracted from the mean square, to be exact, leaves nothing below zero, whose root is NaN."""

    class Deviation(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.std(-1, correction=0)

    program = torch.export.export(Deviation(), (torch.zeros(64, 1000),))
    exported = torch.onnx.export(program, custom_translation_table=TRANSLATIONS, verbose=False)
    assert exported is not None
    x = np.repeat(np.random.default_rng(0).standard_normal((64, 1)) * 1e4, 1000, axis=1).astype(np.float32)
    (deviation,) = run_once(exported.model_proto.SerializeToString(), {exported.model_proto.graph.input[0].name: x})
    np.testing.assert_allclose(deviation, 0, atol=1e-5 * 1e4)
