"""Typed graph → torch.nn.Module: an ordinary module whose tree and state_dict mirror the paths of the spec.

Requires a graph without errors. Ensures that the module computes the spec's outputs, and that its state_dict has every
tensor of the program, under the program's name.
"""

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
from torch.overrides import TorchFunctionMode

from stackc.components.custom.module import CustomModule
from stackc.core.torch_internals import DisableTorchFunction
from stackc.ir.model import Node, Region
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.torch_backend.forward import class_source, is_series
from stackc.torch_backend.names import class_name
from stackc.torch_backend.reparam import register_reparams
from stackc.torch_backend.ties import Ties, ties_to_make


def lower(typed: TypedGraph, *, seed: int = 0, device: str = "cpu") -> nn.Module:
    """Return the module of a checked spec: trainable, compilable, printable. Its inputs are in their written order.

    Initial weights depend on the seed and on the path of the component, not on the order of anything. On the device
    "meta" nothing is allocated, for weights that are loaded later.
    """
    lowering = _Lowering(seed)
    with torch.device(device), nullcontext() if device != "meta" else _SkipInitialization():
        return lowering.lower_region(typed.root, "")


def lower_with(typed: TypedGraph, weights: Mapping[str, npt.NDArray[np.generic]] | None, *, seed: int = 0) -> nn.Module:
    """Return the module of a checked spec with these weights; the missing ones are drawn as `lower` draws them."""
    if weights is None:
        return lower(typed, seed=seed)
    whole = lower(typed, seed=seed, device="meta")
    if whole.state_dict().keys() - weights.keys() - _tied_names(whole, weights):
        whole = lower(typed, seed=seed)
    return load_weights(whole, weights)


def _tied_names(module: nn.Module, weights: Mapping[str, object]) -> set[str]:
    """Return the other names of the parameters that have weights."""
    names: dict[int, set[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), set()).add(name)
    return {name for group in names.values() if not group.isdisjoint(weights) for name in group}


class _SkipInitialization(TorchFunctionMode):
    """Skips the functions that fill new tensors: on the device "meta" they only import torch._dynamo."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `func`, unless it fills its first argument."""
        named = kwargs or {}
        in_place = (torch.Tensor.normal_, torch.Tensor.uniform_)
        if func in in_place or getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def _real_tensors() -> AbstractContextManager[None]:
    """Return a context in which tensors are made on the CPU and filled, whatever the device: a custom module may keep
    tensors that no file of weights has."""
    guard: AbstractContextManager[None] = DisableTorchFunction()
    return guard


@dataclass
class _Lowering:
    """Lowers one graph. A region's class, and its ties, are the same wherever it is used."""

    seed: int
    classes: dict[TypedRegion, type[nn.Module]] = field(default_factory=dict)
    ties: dict[TypedRegion, Ties] = field(default_factory=dict)

    def lower_region(self, typed: TypedRegion, prefix: str) -> nn.Module:
        """Return the module of a region; `prefix` begins the paths of its nodes."""
        module = nn.ModuleList() if is_series(typed.region) else self.class_of(typed)()
        for id, node in typed.region.nodes.items():
            if node.same_as:
                continue
            body, path = typed.bodies.get(id), f"{prefix}{id}"
            child = self.lower_region(body, f"{path}.") if body else self.lower_component(typed, node, path)
            module.add_module(id, child)

        for parameter, owner in ties_to_make(typed, self.ties):
            _tie(module, parameter, owner)
        return module

    def lower_component(self, typed: TypedRegion, node: Node, path: str) -> nn.Module:
        """Return the module of a component, with weights drawn from a random stream of its own."""
        assert not isinstance(node.body, Region)
        inputs = [typed.type_of(operand.value) if operand.value else None for operand in node.operands]
        digest = hashlib.sha256(f"{self.seed}:{path}".encode()).digest()
        component = node.body.for_inputs(*inputs)
        is_custom = isinstance(component, CustomModule)
        with torch.random.fork_rng(devices=[]), _real_tensors() if is_custom else nullcontext():
            torch.manual_seed(int.from_bytes(digest[:8], "little", signed=True))
            module = component.module(*inputs)

        if node.reparams:
            with torch.random.fork_rng(devices=[]):
                digest = hashlib.sha256(f"{self.seed}:{path}:reparam".encode()).digest()
                torch.manual_seed(int.from_bytes(digest[:8], "little", signed=True))
                register_reparams(module, node.reparams)
        return module

    def class_of(self, typed: TypedRegion) -> type[nn.Module]:
        """Return the class of a region, compiled from the emitted source, which tracebacks can show."""
        if typed not in self.classes:
            name = class_name(typed.region.name)
            source = class_source(typed.region, name)
            file = f"<stackc {typed.region.span} {name}>"
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)

            namespace: dict[str, object] = {"nn": nn, "__name__": "stackc.lowered"}
            exec(compile(source, file, "exec"), namespace)
            compiled = namespace[name]
            assert isinstance(compiled, type)
            assert issubclass(compiled, nn.Module)
            self.classes[typed] = compiled
        return self.classes[typed]


def load_weights(module: nn.Module, weights: Mapping[str, npt.NDArray[np.generic]]) -> nn.Module:
    """Return the module, built on the device "meta", with its tensors replaced by `weights`; tied ones stay tied."""
    names: dict[torch.Tensor, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    aliases = {name: group for group in names.values() for name in group}

    for name, array in weights.items():
        tensor = torch.from_numpy(np.array(array))
        value = nn.Parameter(tensor) if name in aliases else tensor
        for path in aliases.get(name, [name]):
            owner, _, local = path.rpartition(".")
            setattr(module.get_submodule(owner), local, value)
    return module


def _tie(module: nn.Module, path: str, owner: str) -> None:
    """Replace the parameter at `path` by the Parameter at `owner`."""
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, module.get_parameter(owner))
