"""The outline of an ONNX file as text: what it is, its interface, and its scopes as a tree, equal ones folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stackc.analysis.onnx_files.outline import FileOutline
from stackc.core.plurals import counted
from stackc.view.figures import bytes_text, scaled

MOST_LINES = 400
"""Lines of the tree, and of the interface; the rest are counted."""
_SHOWN = 6
"""Operators of a scope by name."""


@dataclass
class _Scope:
    """Builds up a scope: its operators and numbers with all that is inside of it."""

    operators: Counter[str] = field(default_factory=Counter)
    numbers: int = 0
    inside: dict[str, _Scope] = field(default_factory=dict)

    def key(self) -> object:
        """A key that is equal for scopes with equal content."""
        inside = tuple((name, scope.key()) for name, scope in self.inside.items())
        return tuple(sorted(self.operators.items())), self.numbers, inside


def outline_lines(outline: FileOutline, depth: int) -> Iterator[str]:
    """Yield the lines of the text, with scopes opened down to `depth`."""
    yield from (*_header(outline), *_interface(outline), *_tree(outline, depth))


def _header(outline: FileOutline) -> Iterator[str]:
    opsets = ", ".join(f"{domain} {version}" for domain, version in outline.opsets.items())
    written = f"written by {outline.producer}, " if outline.producer else ""
    yield f"{outline.path}: {written}IR version {outline.ir_version}, opset {opsets or 'not stated'}"
    functions = f", {counted(outline.functions, 'function')}" if outline.functions else ""
    yield f"  {counted(outline.nodes, 'node')}{functions}: {_operators(outline.counts(), 12)}"
    stored = f"{counted(len(outline.tensors), 'initializer')}, {scaled(outline.numbers)} numbers"
    yield f"  {stored}, {bytes_text(outline.bytes)}"
    for name, size in outline.data:
        yield f"  data in {name}: {'missing' if size is None else bytes_text(size)}, not read"


def _interface(outline: FileOutline) -> Iterator[str]:
    lines = [f"  in   {value.name}: {value}" for value in outline.inputs]
    lines += [f"  out  {value.name}: {value}" for value in outline.outputs]
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"  {len(lines) - MOST_LINES:,} more inputs and outputs"


def _tree(outline: FileOutline, depth: int) -> Iterator[str]:
    root = _Scope()
    for (scopes, operator), count in outline.operators.items():
        for scope in _way(root, scopes):
            scope.operators[operator] += count
    for name, tensor in outline.tensors.items():
        for scope in _way(root, outline.owners.get(name, ())):
            scope.numbers += tensor.numbers

    lines = list(_lines(root, depth, ""))
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"{len(lines) - MOST_LINES:,} more lines"


def _way(root: _Scope, scopes: tuple[str, ...]) -> Iterator[_Scope]:
    """Yield the scopes from the root inward, made where they are new."""
    yield root
    for name in scopes:
        root = root.inside.setdefault(name, _Scope())
        yield root


def _lines(scope: _Scope, depth: int, indent: str) -> Iterator[str]:
    runs = list(_runs(scope.inside)) if depth else []
    for number, (title, first) in enumerate(runs):
        last = number == len(runs) - 1
        parameters = f", {scaled(first.numbers)} numbers" if first.numbers else ""
        yield f"{indent}{'└── ' if last else '├── '}{title}: {_operators(first.operators, _SHOWN)}{parameters}"
        yield from _lines(first, depth - 1, indent + ("    " if last else "│   "))


def _runs(inside: Mapping[str, _Scope]) -> Iterator[tuple[str, _Scope]]:
    """Yield the scopes in a scope; a row of equal ones as one, the first."""
    names, scopes = list(inside), list(inside.values())
    keys = [scope.key() for scope in scopes]
    start = 0
    while start < len(names):
        end = start + 1
        while end < len(names) and keys[end] == keys[start]:
            end += 1
        many = end - start
        yield (names[start] if many == 1 else f"{names[start]}…{names[end - 1]} ×{many}"), scopes[start]
        start = end


def _operators(counts: Mapping[str, int], most: int) -> str:
    """Return `24 MatMul, 12 Add and 30 others`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    texts = [name if count == 1 else f"{count:,} {name}" for name, count in ordered[:most]]
    rest = sum(count for _, count in ordered[most:])
    return ", ".join(texts) + (f" and {counted(rest, 'other')}" if rest else "")
