"""Program → torch.nn.Module that runs its calls one by one: for programs that come of a pass, and of no drawing.

Its state_dict has the tensors of the program under their names. A module of the whole model lends it its parameters.
"""

from __future__ import annotations

from torch import Tensor, nn

from stackc.ir.program import Program
from stackc.torch_backend.reparam import register_reparams


class FlatModule(nn.Module):
    """The calls of a program, each a submodule at its path, run in order. Inputs are in the order of the program."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.inputs = tuple(program.inputs)
        self.calls = [(call.owner, call.inputs, call.outputs) for call in program.calls]
        self.outputs = tuple(program.outputs.values())
        for call in program.calls:
            if call.owner == call.path:
                types = [None if name is None else program.types[name] for name in call.inputs]
                module = call.component.module(*types)
                register_reparams(module, call.reparams)
                _place(self, call.path, module)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run every call; return the outputs of the program."""
        values = dict(zip(self.inputs, inputs, strict=True))
        for owner, names, results in self.calls:
            entering = (None if name is None else values[name] for name in names)
            outputs = self.get_submodule(owner)(*entering)
            outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
            values |= dict(zip(results, outputs, strict=True))
        return tuple(values[value] for value in self.outputs)


def lower_program(program: Program, whole: nn.Module) -> nn.Module:
    """Return the module of a program whose tensors are those of `whole`, which it shares."""
    module = FlatModule(program)
    for call in program.calls:
        own = module.get_submodule(call.owner)
        for local, name in {**call.parameters, **call.buffers}.items():
            _share(own, local, whole, name)
    return module.train(whole.training)


def _place(root: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module at a path, in modules that hold nothing else."""
    *outer, last = path.split(".")
    for name in outer:
        if name not in root._modules:
            root.add_module(name, nn.Module())
        root = root.get_submodule(name)
    root.add_module(last, module)


def _share(module: nn.Module, local: str, whole: nn.Module, name: str) -> None:
    """Replace a tensor of a module by that of this name of the whole model."""
    parent, _, key = local.rpartition(".")
    path, _, source = name.rpartition(".")
    setattr(module.get_submodule(parent), key, getattr(whole.get_submodule(path), source))
