"""The models that faults are planted in: the specs of specs/ at small sizes, in settings of opset, target and form."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import onnx
import torch
from tests.benchmarks.mutants.graph import Graph
from torch import nn

from stackc.cache import user_cache
from stackc.export import link_program
from stackc.export.functions import fold_functions
from stackc.export.pipeline import LinkedProgram
from stackc.export.write import write
from stackc.frontend import Checked, Overrides, check_source
from stackc.proof.components import Reference
from stackc.spec.source import load_source
from stackc.torch_backend.lower import lower

SPECS = Path(__file__).parents[3] / "specs"


@dataclass(frozen=True)
class SmallSpec:
    """A spec of specs/ with params that make it small, and texts to replace, for sizes that the dims may have.

    Faults are planted in it in two settings, or, where `only` names some, those alone in one.
    """

    file: str
    params: Mapping[str, str]
    edits: Mapping[str, str]
    only: frozenset[str] = frozenset()


_BATCH_64, _BATCH_16 = {"max: 64}": "max: 3}"}, {"max: 16}": "max: 3}"}
_SEQ = {"seq: {min: 1, max: 512}": "seq: {min: 1, max: 40}"}
_LLAMA = {
    "vocab": "64", "dim": "48", "layers": "2", "heads": "6", "kv_heads": "3", "hidden": "40", "positions": "40",
}  # fmt: skip
SMALL = {
    "bert_base": SmallSpec(
        "bert_base.yaml",
        {"vocab": "64", "dim": "32", "layers": "2", "heads": "4", "hidden": "48", "positions": "40"}, _BATCH_64,
    ),
    "deep_bert": SmallSpec(
        "deep_bert.yaml", {"vocab": "64", "dim": "32", "encoders": "2", "layers": "2"}, _BATCH_64 | _SEQ,
    ),
    "detr": SmallSpec(
        "detr.yaml",
        {"channels": "4", "dim": "32", "heads": "4", "hidden": "48", "layers": "1", "queries": "5", "classes": "6"},
        {"max: 8}": "max: 2}", "max: 640": "max: 96"},
    ),
    "ensemble": SmallSpec("ensemble.yaml", {"vocab": "64", "dim": "32"}, _BATCH_64 | _SEQ),
    "gpt2": SmallSpec(
        "gpt2.yaml", {"vocab": "64", "dim": "32", "layers": "2", "heads": "4", "positions": "40"},
        _BATCH_16,
    ),
    "llama": SmallSpec("llama.yaml", _LLAMA, _BATCH_16),
    "mistral": SmallSpec("mistral.yaml", _LLAMA | {"layers": "1", "window": "12"}, _BATCH_16),
    "minilm": SmallSpec("minilm.yaml", {"vocab": "64", "dim": "32", "layers": "2", "heads": "4"}, _BATCH_64 | _SEQ),
    "normalized": SmallSpec("normalized.yaml", {"hidden_size": "32"}, {}),
    "seed": SmallSpec("seed.mmd", {"dim": "32"}, {"max: 512}": "max: 40}"}),
    "stacked": SmallSpec("stacked.yaml", {"hidden_size": "32"}, {}),
    "t5": SmallSpec(
        "t5.yaml",
        {"vocab": "64", "dim": "32", "heads": "4", "head_dim": "8", "hidden": "48", "layers": "2", "positions": "40"},
        _BATCH_16,
    ),
    "two_tower": SmallSpec(
        "two_tower.yaml", {"users": "70", "catalogue": "60", "genres": "8", "dim": "16", "hidden": "24"},
        {"max: 256}": "max: 3}", "max: 200}": "max: 40}", "max: 1000}": "max: 40}"},
    ),
    "unet": SmallSpec("unet.yaml", {"width0": "4"}, {"max: 8}": "max: 2}", "max: 512": "max: 48"}),
    "llama, long": SmallSpec(
        "mistral.yaml",
        _LLAMA | {"dim": "16", "layers": "1", "heads": "2", "kv_heads": "1", "hidden": "16", "positions": "8192"},
        {"max: 16}": "max: 2}"},
        frozenset(["window dropped", "rotary positions clipped", "wrong beyond three quarters of the positions"]),
    ),
    "minilm, large table": SmallSpec(
        "minilm.yaml", {"dim": "16", "layers": "1", "heads": "2"}, {},
        frozenset(["wrong for id 7 only", "one row of a table negated", "the last row of a table negated"]),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """A small spec by its name, with the opset, the target and whether blocks become functions of the file.

    Unless it is `trained`, weights are those of a build without a file: norms, biases and statistics are constant.
    """

    spec: str
    opset: int
    target: str
    functions: bool
    trained: bool

    def __str__(self) -> str:
        form = f"{self.target}{', functions' if self.functions else ''}"
        return f"{self.spec} at {self.opset}, {form}, {'trained' if self.trained else 'fresh'}"


def settings(specs: Sequence[str], count: int) -> list[Setting]:
    """Return so many settings for each spec, all forms by turns, and one for the specs of few faults."""
    forms = [(23, "portable", False), (18, "portable", False), (18, "ort", False), (23, "ort", False)]
    forms.append((23, "portable", True))
    chosen = []
    for spec in specs:
        first = list(SMALL).index(spec)
        for turn in range(1 if SMALL[spec].only else count):
            number = first + 3 * turn
            chosen.append(Setting(spec, *forms[number % len(forms)], trained=number % 2 == 0))
    return chosen


@dataclass(frozen=True, eq=False)
class Subject:
    """A linked model with weights, and the module that it is proven against."""

    setting: Setting
    checked: Checked
    linked: LinkedProgram
    module: nn.Module

    @staticmethod
    def of(setting: Setting) -> Subject:
        """Check, link and lower a small spec."""
        small = SMALL[setting.spec]
        source = load_source(SPECS / small.file)
        text = source.text
        for old, new in small.edits.items():
            if old not in text:
                raise ValueError(f"{small.file} does not have '{old}'")
            text = text.replace(old, new)

        checked = check_source(replace(source, text=text), Overrides(params=small.params))

        linked = link_program(checked.program, opset=setting.opset, target=setting.target, cache=user_cache())
        module = lower(checked.typed)
        return Subject(setting, checked, linked, _trained(module) if setting.trained else module)

    @cached_property
    def twin(self) -> Subject:
        """The same model with weights as after training: a fault may show there alone."""
        if self.setting.trained:
            return self
        module = _trained(lower(self.checked.typed))
        return Subject(replace(self.setting, trained=True), self.checked, self.linked, module)

    @cached_property
    def reference(self) -> Reference:
        """The module in both precisions."""
        return Reference.of(self.module)

    @cached_property
    def graph(self) -> Graph:
        """The flat model with its weights inside, as a build writes it."""
        tensors = {name: tensor.detach().numpy() for name, tensor in self.module.state_dict().items()}
        with tempfile.TemporaryDirectory() as folder:
            (path,) = write(self.linked.graph, tensors, Path(folder), inline=True)
            model = onnx.load(path)
        program = self.checked.program
        largest = max(limits.maximum or 0 for limits in program.contract.values())
        ops = {call.path: call.component.op for call in program.calls}
        return Graph(model, ops, *inferred_types(model), largest)

    def save(self, model: onnx.ModelProto, path: Path) -> Path:
        """Write a model in the form of this subject, and return its path."""
        if self.setting.functions:
            model = fold_functions(model, self.linked.graph.block_calls, self.linked.graph.exposed)
        onnx.save(model, path)
        return path


def _trained(module: nn.Module) -> nn.Module:
    """Give parameters and buffers that start constant other numbers, as training does: norms, biases, statistics."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point() and tensor.numel() > 1 and tensor.unique().numel() == 1:
                noise = torch.randn(tensor.shape, generator=generator)
                tensor.add_(0.2 * (noise.abs() if "var" in name else noise))
    return module


def inferred_types(model: onnx.ModelProto) -> tuple[dict[str, int], dict[str, int]]:
    """Return the element type and the rank of every tensor, as far as onnx infers them."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    infos = {info.name: info.type.tensor_type for info in (*inferred.value_info, *inferred.input, *inferred.output)}
    types = {name: type_.elem_type for name, type_ in infos.items()}
    ranks = {name: len(type_.shape.dim) for name, type_ in infos.items() if type_.HasField("shape")}
    return types | {tensor.name: tensor.data_type for tensor in inferred.initializer}, ranks
