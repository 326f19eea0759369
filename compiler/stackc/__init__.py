"""stackc: a compiler for neural-network graphs. The drawing is the source; a proven ONNX model is the result.

A function a stage, each as far as its command goes and without printing anything:

    import stackc

    checked = stackc.check("specs/seed.mmd", params={"layers": 2})
    print(checked.cost.parameters, checked.program.outputs)
    svg = stackc.show(checked, "svg")
    print(stackc.plan(checked, memory="24GB").fits["float32"])
    print(stackc.diff("old.yaml", checked).changes)
    built = stackc.compile("specs/seed.mmd")          # exported/seed/, with its proof

What is wrong with a spec is raised as `SpecError`, all of it together. Importing stackc loads none of the stages; each
loads what it needs when it is first called, and only `compile` needs PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from stackc._version import __version__

if TYPE_CHECKING:
    from stackc.analysis.diff.comparison import Difference
    from stackc.analysis.plan.planning import Plan
    from stackc.core.diagnostics import Diagnostic, SpecError
    from stackc.frontend import Checked
    from stackc.pipeline import Built, Options
    from stackc.spec.document import Document

__all__ = [
    "Checked",
    "Diagnostic",
    "Difference",
    "Document",
    "Plan",
    "SpecError",
    "__version__",
    "check",
    "compile",
    "diff",
    "load",
    "plan",
    "show",
]

SpecPath: TypeAlias = str | PathLike[str]

_FORMS = ("mermaid", "dot", "svg", "png", "torch")

_TYPES = {
    "Checked": "stackc.frontend",
    "Diagnostic": "stackc.core.diagnostics",
    "Difference": "stackc.analysis.diff.comparison",
    "Document": "stackc.spec.document",
    "Plan": "stackc.analysis.plan.planning",
    "SpecError": "stackc.core.diagnostics",
}


if not TYPE_CHECKING:  # a type checker knows them from above, and with this it would know every name

    def __getattr__(name: str) -> Any:
        """The types of the stages, imported when they are asked for."""
        if name not in _TYPES:
            raise AttributeError(f"module 'stackc' has no attribute '{name}'")
        from importlib import import_module

        return getattr(import_module(_TYPES[name]), name)


def load(spec: SpecPath) -> Document:
    """The spec as it is written, in YAML, as a Mermaid file, or in Markdown (`README.md#NAME`).

    Raises SpecError with all that cannot be read.
    """
    from pathlib import Path

    from stackc.spec.reader import parse
    from stackc.spec.source import load_source

    return parse(load_source(Path(spec)))


def check(
    spec: SpecPath,
    *,
    params: Mapping[str, object] | None = None,
    dims: Mapping[str, int] | None = None,
    trust: Sequence[str] = (),
) -> Checked:
    """The spec checked: its typed graph, its flat program, its cost.

    `params` are values for params of the spec, `dims` fix sizes of dims; the code of the Python modules that `trust`
    names may run, for `op: torch`. Raises SpecError with all that the first failing stage has found, TypeError for a
    size that is no whole number.
    """
    from pathlib import Path

    from stackc.frontend import Overrides, check_spec
    from stackc.resolve.resolve import Spelling

    written = {name: _written(value) for name, value in (params or {}).items()}
    spelling = Spelling("params['{name}']", "dims['{name}']")
    return check_spec(Path(spec), Overrides(written, _sizes(dims or {}), tuple(trust), spelling))


@overload
def show(
    spec: SpecPath | Checked, form: Literal["mermaid", "dot", "svg", "torch"] = "mermaid", *, depth: int = 1
) -> str: ...
@overload
def show(spec: SpecPath | Checked, form: Literal["png"], *, depth: int = 1) -> bytes: ...
def show(
    spec: SpecPath | Checked, form: Literal["mermaid", "dot", "svg", "torch", "png"] = "mermaid", *, depth: int = 1
) -> str | bytes:
    """The drawing of a spec, its blocks and stacks opened down to `depth`: text, or the bytes of a PNG.

    As "torch" it is the source of a file of plain PyTorch, which needs no stackc; that loads PyTorch. Raises ValueError
    for any other form.
    """
    if form not in _FORMS:
        raise ValueError(f"no drawing has the form {form!r}; there are {', '.join(map(repr, _FORMS))}")
    if form == "torch":
        from stackc.torch_backend.torch_file import write_torch

        return write_torch(_checked(spec).typed)
    from stackc.view.compose import compose
    from stackc.view.dot import write_dot
    from stackc.view.mermaid import write_mermaid
    from stackc.view.png import draw_png
    from stackc.view.svg import write_svg

    picture = compose(_checked(spec).typed, depth)
    if form == "png":
        return draw_png(write_svg(picture)).data
    return {"mermaid": write_mermaid, "dot": write_dot, "svg": write_svg}[form](picture)


def plan(
    spec: SpecPath | Checked,
    *,
    params: Mapping[str, object] | None = None,
    dims: Mapping[str, int] | None = None,
    memory: int | str | None = None,
    depth: int = 1,
) -> Plan:
    """Parameters, FLOPs and memory of a spec by block, the peaks of its activations, and what fits in a memory.

    `params` and `dims` are as in `check`; a spec that is checked already has its own. `memory` is bytes, or a text like
    `24GB` or `80GiB`: ValueError where it is neither. Blocks and stacks are opened down to `depth`.
    """
    from stackc.analysis.plan.fit import memory_of
    from stackc.analysis.plan.planning import make_plan

    size = memory_of(memory) if isinstance(memory, str) else memory
    return make_plan(_checked(spec, params, dims).typed, depth, size)


def diff(
    before: SpecPath | Checked,
    after: SpecPath | Checked,
    *,
    params: Mapping[str, object] | None = None,
    dims: Mapping[str, int] | None = None,
) -> Difference:
    """What differs between two specs; `params` and `dims` count for both, where they are not checked already."""
    from stackc.analysis.diff.comparison import compare

    return compare(_checked(before, params, dims).typed, _checked(after, params, dims).typed)


def compile(spec: SpecPath, options: Options | None = None) -> Built:
    """The spec built into `exported/NAME/`: exported to ONNX, proven equal to its PyTorch module, and measured.

    `options` is a `stackc.build.Options`: weights, output folder, opset, provider and so on. Raises SpecError, and then
    leaves an earlier artifact as it was.
    """
    from pathlib import Path

    from stackc.pipeline import Options, build

    return build(Path(spec), options or Options(), lambda stage, found: None)


def _checked(
    spec: SpecPath | Checked, params: Mapping[str, object] | None = None, dims: Mapping[str, int] | None = None
) -> Checked:
    """A spec checked, unless it is already; TypeError where such a one is given params or dims, which come too late."""
    from stackc.frontend import Checked

    if not isinstance(spec, Checked):
        return check(spec, params=params, dims=dims)
    if params or dims:
        raise TypeError("params and dims go to stackc.check: this spec is checked already")
    return spec


def _sizes(dims: Mapping[str, int]) -> Mapping[str, int]:
    """The sizes; TypeError where one is no whole number, ValueError where it is below 1."""
    from operator import index

    for name, size in dims.items():
        try:
            whole = index(size)
        except TypeError:
            whole = None
        if whole is None or isinstance(size, bool):
            raise TypeError(f"dims: the size of '{name}' is a whole number, not {size!r}")
        if whole < 1:
            raise ValueError(f"dims: the size of '{name}' is a whole number from 1 up, not {size!r}")
    return {name: index(size) for name, size in dims.items()}


def _written(value: object) -> str:
    """A value as `--set` takes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
