"""The one home of PyTorch APIs that are private or marked experimental, and may change in any release.

Other modules import them from here by name. Nothing is imported with this module: `__getattr__` imports an API's own
module when the name is asked for, so that torch loads no earlier, and no more of it, than with an import at the call
site. Every API here is in torch 2.9, the oldest version that stackc supports, and in 2.14. When a new release moves
one, this file is the one to change; tests/test_private_apis.py finds private uses elsewhere.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import sympy  # type: ignore[import-untyped]  # ships no type information
    from torch import SymInt, Tensor
    from torch._C import DisableTorchFunction
    from torch._dispatch.python import enable_python_dispatcher
    from torch._dynamo.source import ConstantSource
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
        FakeTensorMode,
    )
    from torch.fx.experimental.symbolic_shapes import DimDynamic, GuardOnDataDependentSymNode, ShapeEnv
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_map
    from torch.utils._sympy.functions import CleanDiv, FloorDiv, Mod, PythonMod, ToFloat, TruncToInt

Mode = TypeVar("Mode", bound="TorchDispatchMode")

__all__ = [
    "CleanDiv",
    "ConstantSource",
    "DataDependentOutputException",
    "DimDynamic",
    "DisableTorchFunction",
    "DynamicOutputShapeException",
    "FakeTensorMode",
    "FloorDiv",
    "GuardOnDataDependentSymNode",
    "Mod",
    "PythonMod",
    "ShapeEnv",
    "ToFloat",
    "TorchDispatchMode",
    "TruncToInt",
    "dispatched_without_dynamo",
    "enable_python_dispatcher",
    "import_inductor",
    "mutation_count",
    "shape_environment",
    "size_expression",
    "size_one_is_ordinary",
    "tree_map",
]

MODULES = {
    # Tensors with shapes and no numbers: layers of any size are built and run without allocating them. Public code
    # reaches them only by way of torch.export, which has no mode to build a module under.
    "FakeTensorMode": "torch._subclasses.fake_tensor",
    # Errors of a run on such tensors if a shape or a branch depends on values: the diagnostic for them differs from
    # that for any other error.
    "DataDependentOutputException": "torch._subclasses.fake_tensor",
    "DynamicOutputShapeException": "torch._subclasses.fake_tensor",
    "GuardOnDataDependentSymNode": "torch.fx.experimental.symbolic_shapes",
    # Symbolic sizes without a traced program: the signature of a custom module is read off one run on them.
    "ShapeEnv": "torch.fx.experimental.symbolic_shapes",
    "DimDynamic": "torch.fx.experimental.symbolic_shapes",
    "ConstantSource": "torch._dynamo.source",
    # The divisions and remainders in the expressions of such sizes, which sympy itself does not have.
    "FloorDiv": "torch.utils._sympy.functions",
    "CleanDiv": "torch.utils._sympy.functions",
    "Mod": "torch.utils._sympy.functions",
    "PythonMod": "torch.utils._sympy.functions",
    # A size times a factor that is a float, as in interpolate.
    "ToFloat": "torch.utils._sympy.functions",
    "TruncToInt": "torch.utils._sympy.functions",
    # Composite operators such as interpolate run as decompositions in Python, which keep sizes symbolic; those in C++
    # read them as numbers. torch.export traces under the same.
    "enable_python_dispatcher": "torch._dispatch.python",
    # Every operator that a module calls passes through such a mode; the float64 reference of the proof needs that.
    "TorchDispatchMode": "torch.utils._python_dispatch",
    "tree_map": "torch.utils._pytree",
    # Switches off the functions and modes that intercept torch calls, for code that must run as it is written.
    "DisableTorchFunction": "torch._C",
}
"""The module of each API, by name."""


def __getattr__(name: str) -> Any:
    """Return an API of `MODULES`, importing its module."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES[name]), name)


def dispatched_without_dynamo(mode: type[Mode]) -> type[Mode]:
    """Leave the `__torch_dispatch__` of every subclass of a mode as it is written; a decorator of the class.

    PyTorch hides that method from torch.compile, and imports torch._dynamo for it at the first operator.
    """
    mode._should_skip_dynamo = classmethod(lambda cls: False)  # type: ignore[assignment, method-assign]  # overridden
    return mode


def size_one_is_ordinary() -> Any:
    """Return a context in which torch.export does not take every dynamic size to be at least 2.

    The option is marked experimental; without it a model exported at size 7 may be wrong at size 1.
    """
    options: ModuleType = import_module("torch.fx.experimental._config")
    return options.patch(backed_size_oblivious=True)


def mutation_count(tensor: Tensor) -> int:
    """Return how often a tensor was written to in place; autograd counts it, and no public API returns it."""
    return tensor._version


def size_expression(size: SymInt) -> sympy.Expr:
    """Return a traced size as an expression over the symbols of its trace; torch.SymInt itself does not show it."""
    return size.node.expr


def shape_environment(size: SymInt) -> ShapeEnv:
    """Return the environment that a traced size belongs to: the guards and the replacements found while tracing.

    An ExportedProgram lists ranges of symbols, but not the guards.
    """
    environment = size.node.shape_env
    assert environment is not None, "a size that was traced belongs to a trace"
    return environment


def import_inductor() -> None:
    """Import the compiler behind `torch.compile`, which PyTorch otherwise imports, for seconds, at the first call."""
    import_module("torch._inductor.compile_fx")
