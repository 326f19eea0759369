"""Text → Document: either skin, every problem of the text reported together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from stackc.diagnostics import Collector, Diagnostic, Span, SpecError, near
from stackc.spec.document import (
    LANGUAGE_VERSION,
    BlockDecl,
    Body,
    DimDecl,
    Document,
    InputDecl,
    NodeEntry,
    OutputDecl,
    ParamDecl,
    PortDecl,
    WeightsDecl,
)
from stackc.spec.drawing import Drawing
from stackc.spec.getters import Getter
from stackc.spec.mermaid_reader import read_drawing
from stackc.spec.names import check_name
from stackc.spec.tree import Value
from stackc.spec.yaml_reader import read_yaml
from stackc.types import INPUT_DTYPES

MERMAID_SUFFIXES = (".mmd", ".mermaid")
YAML_SUFFIXES = (".yaml", ".yml")

_DOCUMENT_KEYS = (
    "stackc", "name", "dims", "params", "inputs", "graph", "nodes", "blocks", "outputs", "weights", "description",
)  # fmt: skip
_NODE_KEYS = ("op", "merge", "tie", "same_as", "reparam", "source")


@dataclass(frozen=True)
class Source:
    """The text of a spec under the name that messages call it by."""

    file: str
    text: str


def load_source(path: Path) -> Source:
    """The text of a spec file. SpecError S009 where it cannot be read."""
    try:
        return Source(str(path), path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        folder = path.parent if path.parent.is_dir() else Path()
        specs = [str(p) for p in folder.iterdir() if p.suffix in MERMAID_SUFFIXES + YAML_SUFFIXES]
        raise SpecError(Diagnostic("S009", f"no spec at {path}", hint=near(str(path), specs))) from None
    except UnicodeDecodeError as error:
        raise SpecError(Diagnostic("S009", f"{path} is not UTF-8 text: {error.reason} at byte {error.start}")) from None
    except OSError as error:
        raise SpecError(Diagnostic("S009", f"{path} cannot be read: {error.strerror}")) from None


def read(source: Source) -> Document:
    """The document of a spec in either skin: Mermaid where the file's name says so, else YAML."""
    if source.file.endswith(MERMAID_SUFFIXES):
        return _read_mermaid(source)
    return _Reader(source, Collector()).document(read_yaml(source.text, file=source.file), drawing=None)


_FRONT_MATTER = re.compile(r"\s*?---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def _read_mermaid(source: Source) -> Document:
    match = _FRONT_MATTER.match(source.text)
    front, body = (match[1], source.text[match.end() :]) if match else ("", source.text)
    first = source.text[: match.start(1)].count("\n") + 1 if match else 1
    found = Collector()
    reader = _Reader(source, found)
    line = source.text[: match.end()].count("\n") + 1 if match else 1
    drawing = reader.drawing(body, Span(source.file, line), header=True)
    return reader.document(read_yaml(front, file=source.file, line=first), drawing=drawing)


@dataclass
class _Reader:
    source: Source
    found: Collector

    def document(self, tree: Value, drawing: Drawing | None) -> Document:
        root = Getter.of(tree, "", self.found)
        if drawing is None:
            root.only(*_DOCUMENT_KEYS)
        elif "graph" in root.entries:
            self.found.error(
                "S004", "the drawing of a Mermaid spec is its body", root.entries["graph"].key, "move the arrows below"
            )
        else:
            root.only(*(key for key in _DOCUMENT_KEYS if key != "graph"))
        self.version(root)
        name = root.text("name") or Path(self.source.file).stem
        if not re.match(r"[\w-][\w.-]*$", name):
            self.found.error(
                "S008", f"'{name}' cannot be the name of a spec: its artifact is a folder of that name", root.span
            )
        document = Document(
            name=name,
            file=self.source.file,
            dims={key: self.dim(key, getter) for key, _, getter in root.inner("dims").each()},
            params=self.params(root),
            inputs={key: self.input(key, getter) for key, _, getter in root.inner("inputs").each()},
            body=self.body(name, root, drawing or self.graph(root)),
            blocks={key: self.block(key, getter) for key, _, getter in root.inner("blocks").each()},
            weights=self.weights(root.inner("weights")) if "weights" in root.entries else None,
            span=root.span,
        )
        for kind, names in (("a dim", document.dims), ("an input", document.inputs), ("a block", document.blocks)):
            entries = root.inner({"a dim": "dims", "an input": "inputs", "a block": "blocks"}[kind]).entries
            for key in names:
                check_name(key, kind, entries[key].key, self.found)
        self.found.raise_if_any()
        return document

    def version(self, root: Getter) -> None:
        value = root.value("stackc")
        if value is None:
            self.found.error(
                "S007", "a spec begins with its language version", root.span, f"write `stackc: {LANGUAGE_VERSION}`"
            )
        elif value.data != LANGUAGE_VERSION:
            hint = f"this stackc reads version {LANGUAGE_VERSION}"
            self.found.error("S007", f"language version {value.data} is unknown", value.span, hint)

    def dim(self, name: str, getter: Getter) -> DimDecl:
        getter.only("min", "max", "multiple_of")
        least, most = getter.whole("min", 1, least=1), getter.whole("max", None, least=1)
        if most is not None and most < least:
            self.found.error("S006", f"{getter.path} allows no size: min {least} is above max {most}", getter.span)
        return DimDecl(name, least, most, getter.whole("multiple_of", 1, least=1), getter.span)

    def params(self, getter: Getter) -> dict[str, ParamDecl]:
        params = {}
        for key, entry in getter.inner("params").entries.items():
            if isinstance(entry.value.data, (dict, tuple)):
                getter.inner("params").wrong(key, "a number, text, true or false", entry.value)
            check_name(key, "a param", entry.key, self.found)
            params[key] = ParamDecl(key, entry.value, entry.key)
        return params

    def input(self, name: str, getter: Getter) -> InputDecl:
        getter.only("dtype", "shape", "to", "below", "values", "description")
        dtype = getter.text("dtype") or "float32"
        if dtype not in INPUT_DTYPES:
            place = getter.entries["dtype"].value.span
            self.found.error("S005", f"'{dtype}' is no element type of an input", place, near(dtype, INPUT_DTYPES))
            dtype = "float32"
        shape = getter.values("shape")
        if shape is None:
            hint = "for example `shape: [batch, 128]`"
            self.found.error("S006", f"the input '{name}' has no shape", getter.span, hint)
        values = getter.values("values")
        numbers = tuple(v.data for v in values or () if isinstance(v.data, int))
        return InputDecl(
            name, dtype, shape or (), getter.values("to") or (), getter.value("below"), numbers or None, getter.span
        )

    def graph(self, getter: Getter) -> Drawing:
        value = getter.value("graph")
        if value is None or not isinstance(value.data, str) or not value.data.strip():
            place = value.span if value else getter.span
            what = getter.path or "a spec"
            self.found.error(
                "S006", f"{what} has no arrows", place, "write them under `graph: |`, for example `x --> y[linear]`"
            )
            return self.drawing("", place, header=False)
        return self.drawing(value.data, value.block or value.span, header=False)

    def drawing(self, text: str, start: Span, *, header: bool) -> Drawing:
        try:
            return read_drawing(text, file=start.file, line=start.line, column=start.column, header=header)
        except SpecError as error:
            self.found.extend(error)
            return read_drawing("flowchart LR" if header else "", file=start.file, header=header)

    def body(self, name: str, getter: Getter, drawing: Drawing) -> Body:
        nodes = {key: self.node(key, entry.key, inner) for key, entry, inner in getter.inner("nodes").each()}
        return Body(name, drawing, nodes, self.outputs(getter), getter.span)

    def node(self, name: str, key: Span, getter: Getter) -> NodeEntry:
        return NodeEntry(
            name=name,
            span=key,
            op=getter.value("op"),
            merge=getter.value("merge"),
            tie=getter.inner("tie").entries,
            same_as=getter.value("same_as"),
            source=_place(getter.text("source")),
            reparam=getter.inner("reparam").entries,
            fields={k: entry for k, entry in getter.entries.items() if k not in _NODE_KEYS},
        )

    def outputs(self, getter: Getter) -> tuple[OutputDecl, ...]:
        """`outputs: head`, `outputs: [head, encoder.3]` or `outputs: {logits: head}`."""
        value = getter.value("outputs")
        if value is not None and isinstance(value.data, dict):
            named = [(key, entry.value, entry.key) for key, entry in value.data.items()]
        else:
            named = [(str(v.data), v, v.span) for v in getter.values("outputs") or ()]
        outputs = []
        for name, source, span in named:
            if isinstance(source.data, str):
                outputs.append(OutputDecl(name, source.data, source.span))
            else:
                self.found.error("S005", f"the output '{name}' has to name a node, and is {source.kind}", span)
        return tuple(outputs)

    def block(self, name: str, getter: Getter) -> BlockDecl:
        getter.only("params", "inputs", "graph", "nodes", "outputs", "description")
        ports = []
        for value in getter.values("inputs") or ():
            text = value.data if isinstance(value.data, str) else ""
            check_name(text.removesuffix("?"), "an input", value.span, self.found)
            ports.append(PortDecl(text.removesuffix("?"), text.endswith("?"), value.span))
        if not ports:
            self.found.error("S006", f"the block '{name}' has no inputs", getter.span, "for example `inputs: [x]`")
        return BlockDecl(self.body(name, getter, self.graph(getter)), self.params(getter), tuple(ports))

    def weights(self, getter: Getter) -> WeightsDecl:
        getter.only("file", "map", "ignore")
        names = getter.inner("map").entries
        for key, entry in names.items():
            if not isinstance(entry.value.data, str):
                getter.inner("map").wrong(key, "the pattern of a name in the file", entry.value)
        return WeightsDecl(getter.value("file"), names, getter.values("ignore") or (), getter.span)


def _place(text: str | None) -> Span | None:
    """`file:line`, as locks write it; None where it is anything else."""
    file, _, line = (text or "").rpartition(":")
    return Span(file, int(line)) if file and line.isdecimal() else None
