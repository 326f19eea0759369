"""Print a whole model as one file of plain PyTorch that does not need stackc: `show --as torch`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from stackc.core.types import DimContract
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.torch_backend.classes import ClassOutline, ClassTemplate, templates_of
from stackc.torch_backend.forward import CodeLine, base_of, is_series
from stackc.torch_backend.layout import UNBROKEN, WIDTH, Bracketed, docstring, laid_out
from stackc.torch_backend.names import is_identifier, quoted, submodule
from stackc.torch_backend.support import Import, support_of
from stackc.torch_backend.ties import ties_to_make
from stackc.torch_backend.values import classes_in, expression
from stackc.typecheck.cost import cost_of

IMPORTS: Mapping[str, Import] = {
    "torch": ("torch", None, None),
    "Tensor": ("torch", "Tensor", None),
    "nn": ("torch", "nn", None),
    "F": ("torch.nn", "functional", "F"),
    "parametrize": ("torch.nn.utils", "parametrize", None),
    "copy": ("copy", None, None),
    "hashlib": ("hashlib", None, None),
    "math": ("math", None, None),
    "np": ("numpy", None, "np"),
}


def write_torch(typed: TypedGraph, loop: Callable[[str], str] | None = None) -> str:
    """Return the file: its last class is the model, constructed without arguments, with the lowered state_dict.

    It takes the inputs of the spec in their written order, and returns its outputs, as a tuple if there are several.
    `loop` writes code to stand below, for the name of that class; it may use the names of IMPORTS.
    Needs PyTorch, for the signatures of the classes of torch.nn.
    """
    # The first pass finds the classes to copy, whose names the printed classes must avoid.
    needed = _existing_classes(templates_of(typed.root, set()))
    support = support_of(needed)
    templates = templates_of(typed.root, {*support.sources, *support.imports})

    cost = cost_of(typed.root)[typed.root]
    titles = [_title(template) for template in templates[:-1]] + [f"The model: {cost.parameters:,} parameters."]
    classes = ["\n".join(_class(template, title)) for template, title in zip(templates, titles, strict=True)]
    body = _join_definitions([*support.sources.values(), *classes, *([loop(templates[-1].name)] if loop else [])])

    modules = {make.__module__: (make.__module__, None, None) for make in needed}
    imports = _used_imports({**modules, **support.imports, **IMPORTS}, body)
    gap = ["", ""] if body.startswith(("class ", "def ", "@")) else [""]
    return "\n".join([*_head(typed), "", *_import_lines(imports), *gap, body])


def _head(typed: TypedGraph) -> list[str]:
    """Return the docstring of the file, with the dims contract."""
    document = typed.graph.document
    dims = _contract(typed.graph.contract)
    text = f"{document.name} in PyTorch, written by stackc from {PurePath(document.file).name}."
    return docstring(f"{text}\n\n{dims}\n" if dims else text, indent=0)


def _contract(contract: DimContract) -> str:
    return "\n".join(f"{name}: {size}" for name, size in contract.items())


def _title(template: ClassTemplate) -> str:
    region = template.outlines[0].typed.region
    location = f"{PurePath(region.span.file).name}:{region.span.line}"
    return f"{'The' if region.kind == 'stack' else 'The block'} {region.name}, {location}."


# -- classes


def _class(template: ClassTemplate, title: str) -> list[str]:
    outline = template.outlines[0]
    lines = [f"class {template.name}({base_of(outline.typed.region)}):", *docstring(title, indent=4), ""]
    if body := _init_body(template, outline):
        lines += [*_signature("__init__", _annotated(template.parameters), "None"), " " * 8 + "super().__init__()"]
        lines += [*body, ""]
    return lines + _forward(template, outline)


def _annotated(parameters: Mapping[str, Sequence[object]]) -> list[str]:
    return [f"{name}: {_annotation(values)}" for name, values in parameters.items()]


def _annotation(values: Iterable[object]) -> str:
    """Return the annotation of an argument that takes these literals."""
    names = dict.fromkeys(_type(value) for value in values)
    return " | ".join(sorted(names, key=lambda name: name == "None"))


def _type(value: object) -> str:
    if isinstance(value, tuple):
        return f"tuple[{_annotation(value) or 'int'}, ...]"
    return "None" if value is None else type(value).__name__


def _init_body(template: ClassTemplate, outline: ClassOutline) -> list[str]:
    """Return the lines of `__init__`: submodules, parametrizations, ties."""
    literals = iter(template.literals)
    lines: list[str] = []
    is_stack = outline.typed.region.kind == "stack"
    for id, value in outline.submodules:
        module = expression(value, literals)
        if is_stack or is_identifier(id):
            lines += laid_out(f"self[{quoted(id)}] = " if is_stack else f"self.{id} = ", module, indent=8)
        else:
            lines += laid_out("", Bracketed("self.add_module", (quoted(id), module)), indent=8)

    for reparam in outline.reparams:
        owner, _, name = reparam.path.rpartition(".")
        arguments = (_access(owner, outline.typed), quoted(name), expression(reparam.value, literals))
        lines += laid_out("", Bracketed("parametrize.register_parametrization", arguments), indent=8)

    return lines + _ties(outline.typed)


def _ties(typed: TypedRegion) -> list[str]:
    return [f"        {_access(path, typed)} = {_access(owner, typed)}" for path, owner in ties_to_make(typed, {})]


def _access(path: str, typed: TypedRegion | None) -> str:
    """Return the expression that follows a path of submodules from `self`."""
    accessed = "self"
    for id in path.split("."):
        if typed is None or typed.region.kind != "stack":
            accessed = submodule(id, of=accessed)
        else:
            accessed += f"[{id if is_series(typed.region) else quoted(id)}]"
        typed = typed.bodies.get(id) if typed else None
    return accessed


# -- forwards


def _forward(template: ClassTemplate, outline: ClassOutline) -> list[str]:
    forward = outline.forward
    several = len(forward.returned) > 1
    result = f"tuple[{', '.join(['Tensor'] * len(forward.returned))}]" if several else "Tensor"
    lines = _signature("forward", [f"{name}: Tensor" for name in forward.arguments], result)
    lines += docstring(_shapes(template, outline), indent=8)
    lines += [_commented(line, template) for line in forward.lines]

    if not several:
        return [*lines, f"        return {forward.returned[0]}"]
    joined = f"        return {', '.join(forward.returned)}"
    if len(joined) <= WIDTH:
        return [*lines, joined]
    return [*lines, *laid_out("return ", Bracketed("", forward.returned), indent=8)]


def _signature(name: str, arguments: Sequence[str], result: str) -> list[str]:
    return laid_out("", Bracketed(f"def {name}", ("self", *arguments)), f" -> {result}:", indent=4)


def _shapes(template: ClassTemplate, outline: ClassOutline) -> str:
    """Return every input and every output with its type."""
    typed = [each.typed for each in template.outlines]
    inputs = [
        f"{name} {template.type_of([each.inputs[i] for each in typed])}"
        for i, name in enumerate(outline.forward.arguments)
    ]
    outputs = [template.type_of([each.outputs[i] for each in typed]) for i in range(len(outline.forward.returned))]
    if len(outputs) > 1:
        names = typed[0].region.outputs
        outputs = [f"{name} {shape}" for name, shape in zip(names, outputs, strict=True)]

    line = f"{', '.join(inputs)} → {', '.join(outputs)}."
    if len(line) <= WIDTH - 14:
        return line
    unbroken = [", ".join(entry.replace(" ", UNBROKEN) for entry in entries) for entries in (inputs, outputs)]
    return f"{unbroken[0]}\n→ {unbroken[1]}."


def _commented(line: CodeLine, template: ClassTemplate) -> str:
    """Return a line with the shape of its value as a comment, if that fits."""
    code = f"        {line.code}"
    shape = template.shape(line)
    commented = f"{code}  # {shape}"
    return commented if shape and len(commented) <= WIDTH else code


# -- the file


def _existing_classes(templates: Iterable[ClassTemplate]) -> list[Callable[..., Any]]:
    """Return the classes that are called but not printed for a block or stack, each once."""
    outlines = [template.outlines[0] for template in templates]
    values = [value for outline in outlines for _, value in outline.submodules]
    values += [reparam.value for outline in outlines for reparam in outline.reparams]
    return list(dict.fromkeys(make for value in values for make in classes_in(value)))


def _join_definitions(definitions: Sequence[str]) -> str:
    return "\n\n\n".join(definitions) + "\n"


def _used_imports(imports: Mapping[str, Import], body: str) -> list[Import]:
    """Return the imports whose names are used in the body."""
    nodes = list(ast.walk(ast.parse(body)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    dotted = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    return [each for name, each in imports.items() if name in names or name in dotted]


def _import_lines(imports: Iterable[Import]) -> list[str]:
    """Return import statements in the order that linters want: the standard library, then all others."""
    groups: list[list[str]] = []
    ordered = sorted(set(imports), key=str)
    for standard in (True, False):
        group = [i for i in ordered if (i[0].partition(".")[0] in sys.stdlib_module_names) is standard]
        plain = [f"import {module}" + f" as {alias}" * bool(alias) for module, name, alias in group if name is None]
        by_module = {module: [i for i in group if i[0] == module and i[1]] for module, name, _ in group if name}
        named = [f"from {module} import {', '.join(_aliases(names))}" for module, names in sorted(by_module.items())]
        groups.append(plain + named)
    return "\n\n".join("\n".join(group) for group in groups if group).split("\n")


def _aliases(names: Iterable[Import]) -> list[str]:
    ordered = sorted(names, key=lambda i: (not str(i[1])[:1].isupper(), i[1]))
    return [f"{name} as {alias}" if alias else str(name) for _, name, alias in ordered]
