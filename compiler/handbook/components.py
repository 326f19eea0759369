"""A page for each component: its formula, its drawing, ports, fields and parameters, and an example."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from handbook.formulas import formula_html
from handbook.pictures import drawing, fenced, table
from stackc.authoring.reference.ops import FieldRow, OpPage, families, formula_of, page_of


def write_components(folder: Path) -> dict[str, list[str]]:
    """Write the page of every op, and one that lists them; return the names of the pages by family."""
    folder.mkdir(parents=True)
    grouped = families()
    for ops in grouped.values():
        for op in ops:
            (folder / f"{op}.md").write_text(_page(page_of(op), folder), encoding="utf-8")
    (folder / "index.md").write_text(_index(grouped), encoding="utf-8")
    return {family: [f"{op}.md" for op in ops] for family, ops in grouped.items()}


def _index(grouped: dict[str, tuple[str, ...]]) -> str:
    about = "`stackc ops NAME` prints the same pages, and finds a component by its name in PyTorch, Keras or ONNX, too."
    sections = ["# Components", about]
    for family, ops in grouped.items():
        rows = [[f"[`{op}`]({op}.md)", _inline(formula_of(op))] for op in ops]
        sections += [f"## {family}", table(["op", "formula"], rows)]
    return "\n\n".join(sections) + "\n"


def _inline(formula: str) -> str:
    return formula_html(formula).replace('<p class="formula">', '<span class="formula">').replace("</p>", "</span>")


def _page(page: OpPage, folder: Path) -> str:
    parts = [f"# {page.op}", formula_html(page.formula), linked_papers(escape(page.text, quote=False))]
    if page.ports:
        rows = [["in", f"`{port.name}`", _kind(port.optional, port.variadic)] for port in page.ports]
        rows += [["out", f"`{name}`", f"`{type_}`"] for name, type_ in page.outputs.items()]
        parts += ["## Ports", table(["", "port", ""], rows)]
    if page.fields:
        parts += ["## Fields", table(["field", "value", "default", "meaning"], [*map(_field, page.fields)])]
    tensors = {**page.parameters, **page.buffers}
    if tensors:
        rows = [[f"`{name}`", f"`{type_}`"] for name, type_ in tensors.items()]
        parts += ["## Parameters and buffers of the example", table(["name", "type"], rows)]
    if page.example:
        parts += ["## Example", fenced(page.example), _example_drawing(page, folder)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _kind(optional: bool, variadic: bool) -> str:
    return "optional" if optional else "one or more" if variadic else ""


def _field(field: FieldRow) -> list[str]:
    default = f"`{field.default}`" if field.default else "required"
    return [f"`{field.name}`", field.value, default, escape(field.meaning)]


def _example_drawing(page: OpPage, folder: Path) -> str:
    """Draw the example; that of `torch` needs --trust, and code of its own beside it."""
    if page.op == "torch":
        return ""
    spec = folder / f"{page.op}.yaml"
    spec.write_text(page.example, encoding="utf-8")
    try:
        return drawing(spec, folder / f"{page.op}.svg")
    finally:
        spec.unlink()


def linked_papers(text: str) -> str:
    """Turn arXiv numbers into links."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
