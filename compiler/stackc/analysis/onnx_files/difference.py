"""What differs between two ONNX files, from their outlines: interface, opsets, operators by scope, tensors by content.

Tensors of the same name are compared by their content; those without a partner are led to one of equal content under
another name. What lies in external data is compared by type alone, and said to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stackc.analysis.onnx_files.outline import FileOutline, FileTensor
from stackc.core.plurals import counted
from stackc.runtime import ValueInfo
from stackc.view.figures import bytes_text

MOST_LINES = 200
"""Lines of a text; JSON has all of them."""
_SIGNS = {"added": "+", "removed": "−", "changed": "~", "renamed": "→"}


@dataclass(frozen=True, slots=True)
class FileChange:
    """One difference: of a producer, an opset, an input, an output, an operator in a scope, or a tensor."""

    kind: Literal["added", "removed", "changed", "renamed"]
    what: str
    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        sides = {"added": self.after, "removed": self.before}.get(self.kind) or f"{self.before} → {self.after}"
        return f"{_SIGNS[self.kind]} {self.what} {self.name}: {sides}".rstrip(": ")


@dataclass(frozen=True)
class FileDifference:
    """All differences between two files, and how many tensors were compared by type alone."""

    before: FileOutline
    after: FileOutline
    changes: tuple[FileChange, ...]
    unread: int

    def to_json(self) -> dict[str, Any]:
        """Return the changes and the figures of both files."""
        return {
            "names": [str(self.before.path), str(self.after.path)],
            "changes": [
                {"kind": c.kind, "what": c.what, "name": c.name, "before": c.before, "after": c.after}
                for c in self.changes
            ],
            "not_read": self.unread,
            "before": _figures(self.before),
            "after": _figures(self.after),
        }

    def lines(self) -> Iterator[str]:
        """Yield the difference as text."""
        for label, outline in (("A", self.before), ("B", self.after)):
            sizes = f"{counted(outline.nodes, 'node')}, {counted(len(outline.tensors), 'initializer')}"
            yield f"{label}  {outline.path}: {sizes}, {bytes_text(outline.bytes)}"
        yield from map(str, self.changes[:MOST_LINES])
        if len(self.changes) > MOST_LINES:
            yield f"{len(self.changes) - MOST_LINES:,} more; --json has all of them"
        if not self.changes:
            yield "no difference"
        if self.unread:
            yield f"{counted(self.unread, 'tensor')} in external data compared by type alone"


def compare_files(before: FileOutline, after: FileOutline) -> FileDifference:
    """Return what differs between two files."""
    tensors = list(_tensor_changes(before.tensors, after.tensors))
    common = before.tensors.keys() & after.tensors.keys()
    unread = sum(None in (before.tensors[name].content, after.tensors[name].content) for name in common)
    changes = (
        *_text_changes("producer", {"": before.producer}, {"": after.producer}),
        *_text_changes("opset", _texts(before.opsets), _texts(after.opsets)),
        *_text_changes("input", _types(before.inputs), _types(after.inputs)),
        *_text_changes("output", _types(before.outputs), _types(after.outputs)),
        *_operator_changes(before, after),
        *tensors,
    )
    return FileDifference(before, after, changes, unread)


def _figures(outline: FileOutline) -> dict[str, Any]:
    return {
        "nodes": outline.nodes,
        "operators": dict(sorted(outline.counts().items())),
        "initializers": len(outline.tensors),
        "numbers": outline.numbers,
        "bytes": outline.bytes,
    }


def _texts(values: Mapping[str, int]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _types(values: Sequence[ValueInfo]) -> dict[str, str]:
    return {value.name: str(value) for value in values}


def _text_changes(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[FileChange]:
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one != other:
            kind: Literal["added", "removed", "changed"] = (
                "added" if one is None else "removed" if other is None else "changed"
            )
            yield FileChange(kind, what, name, one, other)


def _operator_changes(before: FileOutline, after: FileOutline) -> Iterator[FileChange]:
    """Yield the operators whose number differs, with the scopes in which it does if both files have these scopes."""
    one, other = before.counts(), after.counts()
    scopes = [{scope for scope, _ in outline.operators} for outline in (before, after)]
    shared = scopes[0] & scopes[1] - {()}
    for operator in sorted({*one, *other}):
        if one[operator] != other[operator]:
            where = [
                ".".join(scope)
                for scope in sorted(shared)
                if before.operators[scope, operator] != after.operators[scope, operator]
            ]
            inside = f" (in {', '.join(where[:4])}{'…' if len(where) > 4 else ''})" if where else ""
            kind: Literal["added", "removed", "changed"] = (
                "changed" if one[operator] and other[operator] else "added" if other[operator] else "removed"
            )
            yield FileChange(kind, "operator", operator + inside, str(one[operator]), str(other[operator]))


def _tensor_changes(before: Mapping[str, FileTensor], after: Mapping[str, FileTensor]) -> Iterator[FileChange]:
    removed = {name: tensor for name, tensor in before.items() if name not in after}
    added = {name: tensor for name, tensor in after.items() if name not in before}
    partners = _renamed(removed, added)
    for name, partner in partners.items():
        yield FileChange("renamed", "tensor", f"{name}, {before[name]}", name, partner)
    for name in (name for name in before if name in after):
        one, other = before[name], after[name]
        if str(one) != str(other):
            yield FileChange("changed", "tensor", name, str(one), str(other))
        elif one.content and other.content and one.content != other.content:
            yield FileChange("changed", "tensor", f"{name}, {one}", "its numbers", "others")
    taken = set(partners.values())
    gone = {name: tensor for name, tensor in removed.items() if name not in partners}
    new = {name: tensor for name, tensor in added.items() if name not in taken}
    yield from (FileChange("removed", "tensor", name, str(tensor), None) for name, tensor in gone.items())
    yield from (FileChange("added", "tensor", name, None, str(tensor)) for name, tensor in new.items())


def _renamed(removed: Mapping[str, FileTensor], added: Mapping[str, FileTensor]) -> dict[str, str]:
    """Return the new names of tensors whose content is that of exactly one new tensor, and the other way round."""
    contents = [Counter((t.content, str(t)) for t in side.values() if t.content) for side in (removed, added)]
    new = {(tensor.content, str(tensor)): name for name, tensor in added.items() if tensor.content}
    keys = {name: (tensor.content, str(tensor)) for name, tensor in removed.items() if tensor.content}
    return {name: new[key] for name, key in keys.items() if contents[0][key] == 1 and contents[1][key] == 1}
