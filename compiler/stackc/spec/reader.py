"""Text → Document: either skin, every problem of the text reported together."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError, closest, did_you_mean
from stackc.core.types import INPUT_DTYPES
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
from stackc.spec.mermaid.mermaid_reader import read_drawing
from stackc.spec.mermaid.mermaid_source import DRAWN
from stackc.spec.names import check_name, check_symbol
from stackc.spec.params import plain_param, read_param
from stackc.spec.source import Source, checked_source
from stackc.spec.yaml.getters import Getter
from stackc.spec.yaml.tree import Value
from stackc.spec.yaml.yaml_reader import read_yaml

LONGEST_NAME = 100

_DOCUMENT_KEYS = (
    "stackc", "name", "dims", "params", "inputs", "graph", "nodes", "blocks", "outputs", "weights", "description",
)  # fmt: skip
_NODE_KEYS = ("op", "merge", "tie", "same_as", "reparam", "source")


def parse(source: Source, *, recover: bool = False) -> Document:
    """Parse a spec: Mermaid if its file's name says so, else YAML.

    Raises SpecError with every problem of the text. With `recover`, problems that leave a whole document are kept in
    its `problems` instead, so that later stages can report theirs beside them.
    """
    source = checked_source(source)
    if source.skin == "mermaid":
        document = _read_mermaid(source)
    else:
        document = _Reader(source, Collector()).document(read_yaml(source.text, file=source.file), drawing=None)

    if document.problems and not recover:
        raise SpecError(*document.problems)
    return document


# As Mermaid has it: the line that closes the front matter is indented as the one that opens it.
FRONT_MATTER = re.compile(
    r"\s*?^(?P<indent>[ \t]*)---[ \t]*\n(?P<keys>.*?)^(?P=indent)---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)

_TOP_KEY = re.compile(r"^[ \t]*([^\s#][^:\n]*?)[ \t]*:", re.MULTILINE)
_OF_MERMAID = frozenset({"title", "config", "displayMode"})
"""Keys that Mermaid itself has in the front matter of a diagram."""


def _read_mermaid(source: Source) -> Document:
    match = FRONT_MATTER.match(source.text)
    if match is None or not set(_TOP_KEY.findall(match["keys"])) - _OF_MERMAID:
        _no_front_matter(source, match)
    diagnostics = Collector()
    reader = _Reader(source, diagnostics)
    body = re.sub(f"^{match['indent']}", "", source.text[match.end() :], flags=re.MULTILINE)
    start = Span(source.file, source.text[: match.end()].count("\n") + 1, len(match["indent"]) + 1)
    drawing = reader.drawing(body, start, header=True) if body.strip() else Drawing()
    try:
        line = source.text[: match.start("keys")].count("\n") + 1
        tree = read_yaml(match["keys"], file=source.file, line=line)
    except SpecError as error:
        diagnostics.extend(error)
        diagnostics.raise_if_any()
        raise
    return reader.document(tree, drawing=drawing)


def _no_front_matter(source: Source, match: re.Match[str] | None) -> NoReturn:
    if match and DRAWN in match["keys"]:
        place = Span(source.file, source.text[: match.start("keys")].count("\n") + 1)
        hint = "name the spec that it was drawn from; `stackc show SPEC --as mermaid` writes a spec as Mermaid"
        raise SpecError(Diagnostic("S010", "this is a drawing that `stackc show` wrote, not a spec", place, hint))
    opened = re.match(r"\s*---[ \t]*$", source.text, re.MULTILINE)
    place = Span(source.file, source.text[: opened.end()].count("\n") + 1 if opened else 1, 1, 4 if opened else 0)
    if opened and match is None:
        hint = "write `---` on a line of its own above the diagram"
        raise SpecError(Diagnostic("S010", "the front matter has no end", place, hint))
    lacks = ", and this one has none of stackc" if match else ""
    hint = f"`stackc init {source.file}` writes it into a new file, with what each node could be"
    raise SpecError(Diagnostic("S010", f"a Mermaid spec begins with its front matter{lacks}", place, hint))


@dataclass
class _Reader:
    source: Source
    diagnostics: Collector

    def document(self, tree: Value, drawing: Drawing | None) -> Document:
        root = Getter.of(tree, "", self.diagnostics)
        if not isinstance(tree.data, dict):
            self.diagnostics.raise_if_any()
        root = self.keys(root, drawn=drawing is not None)
        self.version(root)
        name = self.name(root)
        document = Document(
            name=name,
            source=self.source,
            dims={key: self.dim(key, getter) for key, _, getter in root.inner("dims").each()},
            params=self.params(root),
            inputs={key: self.input(key, getter) for key, _, getter in root.inner("inputs").each()},
            body=self.body(
                name, root, self.graph(root) if drawing is None else self.drawn(drawing, "the spec", root.span)
            ),
            blocks={key: self.block(key, getter) for key, _, getter in root.inner("blocks").each()},
            weights=self.weights(root.inner("weights")) if "weights" in root.entries else None,
            span=root.span,
            description=root.entries["description"].value.written if "description" in root.entries else None,
        )
        self.names(document)
        self.diagnostics.raise_if_any()
        return replace(document, problems=self.diagnostics.repaired)

    def keys(self, root: Getter, *, drawn: bool) -> Getter:
        if drawn and "graph" in root.entries:
            place = root.entries["graph"].key
            self.diagnostics.error("S004", "the drawing of a Mermaid spec is its body", place, "move the arrows below")
        return root.only(*_DOCUMENT_KEYS)

    def version(self, root: Getter) -> None:
        """Another version of the language ends the reading: nothing else of the spec can be judged."""
        value = root.value("stackc")
        if value is None:
            hint = f"write `stackc: {LANGUAGE_VERSION}`"
            self.diagnostics.error("S007", "a spec begins with its language version", root.span, hint)
        elif type(value.data) is not int or value.data != LANGUAGE_VERSION:
            hint = f"this stackc reads version {LANGUAGE_VERSION}"
            message = f"language version {value.written} is unknown"
            if value.written in (f"{LANGUAGE_VERSION}", f"{LANGUAGE_VERSION}.0"):
                told = "text" if isinstance(value.data, str) else value.written
                message = f"the language version has to be a whole number, and is {told}"
                hint = f"write `stackc: {LANGUAGE_VERSION}`" + ", without quotes" * isinstance(value.data, str)
                self.diagnostics.repair("S007", message, value.span, hint)
                return
            raise SpecError(Diagnostic("S007", message, value.span, hint))

    def name(self, root: Getter) -> str:
        value = root.value("name")
        written = root.text("name") if value else Path(self.source.file).stem
        if written is not None and not (re.fullmatch(r"[\w-][\w.-]*", written) and len(written) <= LONGEST_NAME):
            reason = (
                f"its artifact is a folder of that name, of letters, digits, '_', '.' and '-', {LONGEST_NAME} at most"
            )
            proposal = re.sub(r"[^\w.-]+", "_", written).strip("._")[:LONGEST_NAME]
            message = f"'{written}' cannot be the name of a spec: {reason}"
            self.diagnostics.error(
                "S008", message, value.span if value else root.span, f"write `name: {proposal or 'model'}`"
            )
        return written or ""

    def names(self, document: Document) -> None:
        """What is called what: every name one that can be borne, and none borne twice."""
        for key, input in document.inputs.items():
            check_name(key, "an input", input.span, self.diagnostics)
        for key, block in document.blocks.items():
            check_name(key, "a block", block.body.span, self.diagnostics)
        for name in document.params.keys() & document.dims.keys():
            message = f"'{name}' is a param and a dim; a name is one of them"
            note = Note("the dim", document.dims[name].span)
            self.diagnostics.error("S008", message, document.params[name].span, "give one of them another name", note)

    def dim(self, name: str, getter: Getter) -> DimDecl:
        check_symbol(name, "a dim", getter.span, self.diagnostics)
        getter = getter.only("min", "max", "multiple_of")
        return DimDecl(name, getter.value("min"), getter.value("max"), getter.value("multiple_of"), getter.span)

    def params(self, getter: Getter) -> dict[str, ParamDecl]:
        params, inner = {}, getter.inner("params")
        for key, entry in inner.entries.items():
            check_symbol(key, "a param", entry.key, self.diagnostics)
            if isinstance(entry.value.data, dict):
                params[key] = read_param(key, Getter.of(entry.value, inner.at(key), self.diagnostics, entry.key))
            elif isinstance(entry.value.data, tuple):
                inner.wrong(key, "a number, text, true or false, or a mapping that says its type", entry.value)
            else:
                params[key] = plain_param(key, entry)
        return params

    def input(self, name: str, getter: Getter) -> InputDecl:
        getter = getter.only("dtype", "shape", "to", "below", "values", "description")
        dtype = getter.text("dtype") or "float32"
        if dtype not in INPUT_DTYPES:
            place, meant = getter.entries["dtype"].value.span, closest(dtype, INPUT_DTYPES)
            note = self.diagnostics.repair if meant else self.diagnostics.error
            note("S005", f"'{dtype}' is no element type of an input", place, did_you_mean(dtype, INPUT_DTYPES))
            dtype = meant or dtype
        shape = getter.values("shape")
        if shape is None:
            hint = "for example `shape: [batch, 128]`, and `shape: []` for a single number"
            self.diagnostics.error("S006", f"the input '{name}' has no shape", getter.span, hint)
        numbers = self.allowed_values(name, dtype, getter)
        targets = getter.texts("to", "a node, or a list of nodes")
        return InputDecl(name, dtype, shape or (), targets, getter.value("below"), numbers, getter.span)

    def allowed_values(self, name: str, dtype: str, getter: Getter) -> tuple[Value, ...]:
        """What `values` lists, numbers and expressions. `below` or it may be said, of inputs of whole numbers."""
        said = [key for key in ("below", "values") if key in getter.entries]
        if said and dtype == "float32":
            place = getter.entries[said[0]].key
            message = f"{getter.at(said[0])} says which whole numbers there are, and '{name}' is {dtype}"
            self.diagnostics.error("S005", message, place, "write `dtype: int64`, or take it away")
        elif len(said) == 2:
            place = getter.entries["values"].key
            self.diagnostics.error("S005", f"'{name}' has below and values", place, "keep one of the two")
        return getter.values("values") or ()

    def graph(self, getter: Getter) -> Drawing:
        value = getter.value("graph")
        what = "the spec" if not getter.path else f"the block '{getter.path.rpartition('.')[2]}'"
        if value is None or value.data is None:
            return self.drawn(Drawing(), what, value.span if value else getter.span)
        if not isinstance(value.data, str):
            hint = "write `graph: |`, and the arrows below it, a line each: `x --> y[linear]`"
            getter.wrong("graph", "text", value, hint)
            return Drawing()
        if value.block is None:
            hint = "write `graph: |`, and the arrows below it, a line each"
            message = "YAML joins the lines of this text into one, and a drawing has several"
            self.diagnostics.error("S005", message, value.span, hint)
            return Drawing()
        before = len(self.diagnostics.diagnostics)
        drawing = self.drawing(value.data, value.block, header=False)
        return drawing if len(self.diagnostics.diagnostics) > before else self.drawn(drawing, what, value.span)

    def drawn(self, drawing: Drawing, what: str, place: Span) -> Drawing:
        """The drawing, noted under S006 where nothing is drawn."""
        if not drawing.nodes and not self.diagnostics.diagnostics:
            hint = "write them under `graph: |`, for example `x --> y[linear]`"
            hint = "write the diagram below the front matter" if what == "the spec" and self.is_mermaid else hint
            self.diagnostics.error("S006", f"{what} has no arrows", place, hint)
        return drawing

    @property
    def is_mermaid(self) -> bool:
        return self.source.skin == "mermaid"

    def drawing(self, text: str, start: Span, *, header: bool) -> Drawing:
        try:
            return read_drawing(text, file=start.file, line=start.line, column=start.column, header=header)
        except SpecError as error:
            self.diagnostics.extend(error)
            return Drawing()

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
            named = [(v.written, v, v.span) for v in getter.values("outputs") or ()]
        outputs: dict[str, OutputDecl] = {}
        for name, source, span in named:
            if not isinstance(source.data, str):
                message = f"an output has to name a node, and is {source.kind}"
                self.diagnostics.error(
                    "S005", message, source.span, "write the id of a node, or the path of a tap: `encoder.3`"
                )
            elif name in outputs:
                note = Note("first written here", outputs[name].span)
                self.diagnostics.error("S002", f"the output '{name}' stands twice", span, "keep one of the two", note)
            elif not re.fullmatch(r"[\w-][\w.-]*", name):
                hint = "use letters, digits, '_', '.' and '-', of any script"
                self.diagnostics.error("S008", f"'{name}' cannot be the name of an output", span, hint)
            else:
                outputs[name] = OutputDecl(name, source.data, source.span)
        return tuple(outputs.values())

    def block(self, name: str, getter: Getter) -> BlockDecl:
        getter = getter.only("params", "inputs", "graph", "nodes", "outputs", "description")
        ports: dict[str, PortDecl] = {}
        names = "x" if not getter.inner_keys("inputs") else ", ".join(getter.inner_keys("inputs"))
        hint = f"for example `inputs: [{names}]`: their types are those of what enters them"
        for value in getter.texts("inputs", "a list of names", hint):
            text = str(value.data)
            if "," in text:
                listed = ", ".join(text.replace(",", " ").split())
                self.diagnostics.error(
                    "S005", f"'{text}' is one name", value.span, f"write a list: `inputs: [{listed}]`"
                )
                continue
            port = PortDecl(text.removesuffix("?"), text.endswith("?"), value.span)
            check_name(port.name, "an input", value.span, self.diagnostics)
            if port.name in ports:
                note = Note("first written here", ports[port.name].span)
                self.diagnostics.error(
                    "S002", f"the input '{port.name}' stands twice", value.span, "keep one of the two", note
                )
            ports[port.name] = port
        if not getter.values("inputs"):
            self.diagnostics.error(
                "S006", f"the block '{name}' has no inputs", getter.span, "for example `inputs: [x]`"
            )
        return BlockDecl(self.body(name, getter, self.graph(getter)), self.params(getter), tuple(ports.values()))

    def weights(self, getter: Getter) -> WeightsDecl:
        getter = getter.only("file", "map", "ignore")
        names = getter.inner("map").entries
        for key, entry in names.items():
            if not isinstance(entry.value.data, str):
                getter.inner("map").wrong(key, "the pattern of a name in the file", entry.value)
        getter.text("file")
        ignored = getter.texts("ignore", "a list of patterns of names in the file")
        return WeightsDecl(getter.value("file"), names, ignored, getter.span)


def _place(text: str | None) -> Span | None:
    """`file:line`, as locks write it; None where it is anything else."""
    file, _, line = (text or "").rpartition(":")
    return Span(file, int(line), 0) if file and line.isdecimal() else None
