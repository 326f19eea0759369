"""Typed graph → torch.nn.Module: an ordinary module whose tree and state_dict mirror the paths of the spec."""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from stackc.components.custom.module import CustomModule
from stackc.ir.model import Node, Region
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.torch_backend.forward import class_source, is_series
from stackc.torch_backend.names import class_name
from stackc.torch_backend.ties import Ties, ties_to_make


def lower(typed: TypedGraph, *, seed: int = 0, device: str = "cpu") -> nn.Module:
    """The module of a checked spec: trainable, compilable, printable. It takes the inputs in their written order.

    Initial weights depend on the seed and on the path of the component, not on the order of anything. On the device
    "meta" nothing is allocated, for weights that are loaded afterwards.
    """
    lowering = _Lowering(seed)
    with torch.device(device), nullcontext() if device != "meta" else _Unfilled():
        return lowering.region(typed.root, "")


class _Unfilled(TorchFunctionMode):
    """Leaves out what fills new tensors: on the device "meta" that does nothing but import torch._dynamo."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """`func` itself, unless it fills its first argument."""
        named = kwargs or {}
        if (
            func in (torch.Tensor.normal_, torch.Tensor.uniform_)
            or getattr(func, "__module__", None) == "torch.nn.init"
        ):
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def _filled() -> AbstractContextManager[None]:
    """On the CPU, whatever device weights are to be loaded to: a module of somebody's own may keep tensors that no
    file of weights has."""
    guard: AbstractContextManager[None] = torch._C.DisableTorchFunction()
    return guard


@dataclass(frozen=True)
class _Lowering:
    seed: int
    classes: dict[TypedRegion, type[nn.Module]] = field(default_factory=dict)
    ties: dict[TypedRegion, Ties] = field(default_factory=dict)

    def region(self, typed: TypedRegion, path: str) -> nn.Module:
        """The module of a region whose path is the prefix `path`."""
        module = nn.ModuleList() if is_series(typed.region) else self.class_of(typed)()
        for id, node in typed.region.nodes.items():
            if node.same_as:
                continue
            body = typed.bodies.get(id)
            child = self.region(body, f"{path}{id}.") if body else self.component(typed, node, path + id)
            module.add_module(id, child)
        for parameter, owner in ties_to_make(typed, self.ties):
            _tie(module, parameter, owner)
        return module

    def component(self, typed: TypedRegion, node: Node, path: str) -> nn.Module:
        """The module of a component, with weights drawn from a stream of its own."""
        assert not isinstance(node.body, Region)
        inputs = [typed.type_of(operand.value) if operand.value else None for operand in node.operands]
        digest = hashlib.sha256(f"{self.seed}:{path}".encode()).digest()
        with torch.random.fork_rng(devices=[]), _filled() if isinstance(node.body, CustomModule) else nullcontext():
            torch.manual_seed(int.from_bytes(digest[:8], "little", signed=True))
            module = node.body.module(*inputs)
        for name, reparam in node.reparams:
            owner, _, parameter = name.rpartition(".")
            parametrize.register_parametrization(module.get_submodule(owner), parameter, reparam.parametrization())
        return module

    def class_of(self, typed: TypedRegion) -> type[nn.Module]:
        """The class of a region, compiled from the emitted source, which tracebacks can show."""
        if typed not in self.classes:
            name = class_name(typed.region.name)
            source = class_source(typed.region, name)
            file = f"<stackc {typed.region.span} {name}>"
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
            namespace: dict[str, object] = {"nn": nn, "__name__": "stackc.lowered"}
            exec(compile(source, file, "exec"), namespace)
            made = namespace[name]
            assert isinstance(made, type)
            assert issubclass(made, nn.Module)
            self.classes[typed] = made
        return self.classes[typed]


def load_weights(module: nn.Module, weights: Mapping[str, npt.NDArray[np.generic]]) -> nn.Module:
    """The module, built on the device "meta", with the given tensors in the place of its own; tied ones stay tied."""
    names: dict[torch.Tensor, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    aliases = {name: group for group in names.values() for name in group}
    for name, array in weights.items():
        tensor = torch.from_numpy(np.array(array))
        value = nn.Parameter(tensor) if name in aliases else tensor
        for path in aliases.get(name, [name]):
            place, _, local = path.rpartition(".")
            setattr(module.get_submodule(place), local, value)
    return module


def _tie(module: nn.Module, path: str, owner: str) -> None:
    """Let the parameter at `path` be the very Parameter at `owner`."""
    place, _, name = path.rpartition(".")
    setattr(module.get_submodule(place), name, module.get_parameter(owner))
