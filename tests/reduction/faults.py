"""Faults to plant in the compiler: in a component as it is compiled, in the linker, in the folding of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from stackc.artifact.lock import write_lock
from stackc.export import prepare, weight_folding, write
from stackc.export.compile_cached import keys_of
from stackc.export.link import _Linker, link
from stackc.export.storage import source_of
from stackc.export.units import Unit
from stackc.typecheck.flatten import flatten

Plant = Callable[[pytest.MonkeyPatch], None]
Forward = Callable[..., Any]


@dataclass(frozen=True)
class Fault:
    """A fault, the spec that meets it, and what it has to be blamed on."""

    name: str
    spec: str
    code: str
    op: str
    plant: Plant


# -- in a component, between its construction and its export


def in_component(op: str, change: Callable[[nn.Module], None]) -> Plant:
    """Change the module of every unit of this op; the reference is made elsewhere, and stays right.

    Units of this op do without the cache, which is for sound objects.
    """

    def plant(patch: pytest.MonkeyPatch) -> None:
        build = prepare._build_module

        def planted(unit: Any) -> nn.Module:
            module = build(unit)
            if unit.component.op == op:
                change(module)
            return module

        def keys(units: Iterable[Unit]) -> dict[Unit, str]:
            return keys_of(unit for unit in units if unit.component.op != op)

        patch.setattr(prepare, "_build_module", planted)
        patch.setattr("stackc.export.compile_cached.keys_of", keys)

    return plant


def forward(change: Callable[[Forward], Forward]) -> Callable[[nn.Module], None]:
    def changed(module: nn.Module) -> None:
        module.forward = change(module.forward)

    return changed


def output(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[nn.Module], None]:
    return forward(lambda run: lambda *inputs: change(run(*inputs)))


def inputs(change: Callable[..., tuple[Any, ...]]) -> Callable[[nn.Module], None]:
    return forward(lambda run: lambda *inputs: run(*change(*inputs)))


def epsilon(module: nn.Module) -> None:
    vars(module)["eps"] = 1e-2


def refuse(*_: Any) -> tuple[Any, ...]:
    raise RuntimeError("planted")


# -- in the linker: the model that it returns


def in_model(change: Callable[[onnx.NodeProto], None]) -> Plant:
    """Change every node of the linked model."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        def planted(*arguments: Any, **keywords: Any) -> Any:
            graph = link(*arguments, **keywords)
            for node in graph.model.graph.node:
                change(node)
            return graph

        patch.setattr("stackc.export.pipeline.link", planted)

    return plant


def concat_reversed(node: onnx.NodeProto) -> None:
    if node.op_type == "Concat" and node.name.endswith("joined/Concat"):
        operands = list(node.input)[::-1]
        del node.input[:]
        node.input.extend(operands)


def epsilon_of_another(node: onnx.NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.name == "epsilon" and node.op_type == "LayerNormalization":
            attribute.f = 1e-2


def padding_lost(node: onnx.NodeProto) -> None:
    """Padding before alone: the sizes stay, and the image moves."""
    for attribute in node.attribute:
        if node.op_type == "Conv" and attribute.name == "pads" and any(attribute.ints):
            attribute.ints[:] = [2, 2, 0, 0]


def residual_read_twice(node: onnx.NodeProto) -> None:
    if node.op_type == "Add" and node.name.rpartition("/")[0].endswith(("add1", "add2")):
        node.input[1] = node.input[0]


def weights_of_the_layer_before(patch: pytest.MonkeyPatch) -> None:
    """Shows only in a stack: it is the paths that are wrong."""

    def planted(call: Any, parameter: str) -> str:
        return source_of(call, parameter).replace("encoder.1.", "encoder.0.")

    patch.setattr("stackc.export.link.source_of", planted)


def crash_at(op: str) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        place = _Linker.add_call

        def planted(self: Any, call: Any, parts: Any) -> None:
            if call.component.op == op:
                raise KeyError(op)
            place(self, call, parts)

        patch.setattr(_Linker, "add_call", planted)

    return plant


# -- in the folding of weights


def move(op_type: str, wrong: Callable[..., Any]) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(weight_folding._MOVES, op_type, wrong)

    return plant


def reshaped_for_transposed(arrays: list[Any], attributes: dict[str, Any], _: int) -> list[Any]:
    return [arrays[0].reshape(arrays[0].transpose(attributes.get("perm")).shape)]


def joined_backwards(arrays: list[Any], attributes: dict[str, Any], _: int) -> list[Any]:
    return [np.concatenate(arrays[::-1], attributes["axis"])]


def stored(change: Callable[[str, Any], Any]) -> Plant:
    """Change what is written of every tensor."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        arrays = write.stored_arrays

        def planted(*arguments: Any) -> Iterator[tuple[str, Any]]:
            for name, array in arrays(*arguments):
                yield name, np.ascontiguousarray(change(name, array))

        patch.setattr(write, "stored_arrays", planted)

    return plant


def half_precision(name: str, array: Any) -> Any:
    return array.astype(np.float16).astype(np.float32) if array.dtype == np.float32 and array.ndim == 4 else array


def first_row_lost(name: str, array: Any) -> Any:
    return np.concatenate([0 * array[:1], array[1:]]) if array.ndim == 1 and name.endswith("bias") else array


# -- crashes beside the proof


def crash_in_packaging(patch: pytest.MonkeyPatch) -> None:
    def planted(checked: Any) -> str:
        if any(call.component.op == "concat" for call in checked.program.calls):
            raise ZeroDivisionError("concat")
        return write_lock(checked)

    patch.setattr("stackc.artifact.packaging.write_lock", planted)


def crash_in_check(patch: pytest.MonkeyPatch) -> None:
    def planted(typed: Any) -> Any:
        program = flatten(typed)
        if any(call.component.op == "cls_pool" for call in program.calls):
            raise AttributeError("cls_pool")
        return program

    patch.setattr("stackc.frontend.flatten", planted)


def bert(name: str, code: str, op: str, plant: Plant) -> Fault:
    return Fault(name, "bert_base", code, op, plant)


def unet(name: str, code: str, op: str, plant: Plant) -> Fault:
    return Fault(name, "unet", code, op, plant)


def component(make: Callable[..., Fault], op: str, change: Callable[[nn.Module], None]) -> Fault:
    return make(f"component_{op}", "P701", op, in_component(op, change))


FAULTS = [
    component(bert, "layer_norm", epsilon),
    component(bert, "mlp", output(lambda y: y * 1.001)),
    component(bert, "attention", output(lambda y: y.roll(1, 1))),
    component(bert, "embedding", inputs(lambda ids: (ids * 0,))),
    component(bert, "learned_position", output(lambda y: y.flip(-1))),
    component(bert, "add", forward(lambda run: lambda *xs: xs[0] * 1)),
    component(bert, "cls_pool", inputs(lambda x: (x.flip(1),))),
    component(bert, "linear", output(lambda y: y + 1e-3)),
    component(bert, "tanh", output(lambda y: y * 0.999)),
    component(bert, "dropout", output(lambda y: y * 0.9)),
    component(unet, "conv2d", output(lambda y: y.flip(2))),
    component(unet, "batch_norm", epsilon),
    component(unet, "relu", forward(lambda run: lambda x: x.abs())),
    component(unet, "max_pool2d", forward(lambda run: lambda x: -run(-x))),
    component(unet, "conv_transpose2d", output(lambda y: y.flip(3))),
    component(unet, "concat", forward(lambda run: lambda *xs: run(*(x.abs() for x in xs)))),
    unet("export_error", "E501", "max_pool2d", in_component("max_pool2d", inputs(refuse))),
    unet("linker_concat_reversed", "P701", "concat", in_model(concat_reversed)),
    bert("linker_epsilon_of_another", "P701", "layer_norm", in_model(epsilon_of_another)),
    unet("linker_padding_lost", "P701", "conv2d", in_model(padding_lost)),
    bert("linker_residual_read_twice", "P701", "add", in_model(residual_read_twice)),
    bert("linker_weights_of_the_layer_before", "P701", "", weights_of_the_layer_before),
    unet("linker_crash", "KeyError", "conv_transpose2d", crash_at("conv_transpose2d")),
    bert("folding_transpose", "P701", "", move("Transpose", reshaped_for_transposed)),
    bert("folding_concat", "P701", "attention", move("Concat", joined_backwards)),
    unet("storing_half_precision", "P701", "", stored(half_precision)),
    bert("storing_first_of_bias", "P701", "", stored(first_row_lost)),
    unet("packaging_crash", "ZeroDivisionError", "concat", crash_in_packaging),
    bert("checker_crash", "AttributeError", "cls_pool", crash_in_check),
]
"""`op` is empty where a fault meets several: then the first that the whole model blames has to stay blamed."""
