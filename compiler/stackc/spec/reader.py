"""Text → Document, from either syntax, with every problem of the text reported together."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError, did_you_mean
from stackc.spec.assert_key import read_bounds
from stackc.spec.budget_key import read_budget_key
from stackc.spec.decode_key import read_decode
from stackc.spec.document import (
    LANGUAGE_VERSION,
    NONFINITE,
    TASKS,
    BlockDecl,
    Body,
    DimDecl,
    Document,
    NodeEntry,
    OutputDecl,
    ParamDecl,
    PortDecl,
    TrainDecl,
)
from stackc.spec.drawing import Drawing
from stackc.spec.front_matter import FRONT_MATTER, MERMAID_KEYS, fail_without_front_matter, top_keys
from stackc.spec.huggingface_key import read_huggingface
from stackc.spec.input_key import read_input
from stackc.spec.mermaid.mermaid_reader import read_drawing
from stackc.spec.names import as_file_name, check_name, check_symbol, why_no_file_name
from stackc.spec.params import is_list_of_scalars, plain_param, read_param
from stackc.spec.source import Source, checked_source
from stackc.spec.weights_key import read_weights
from stackc.spec.yaml.getters import Getter
from stackc.spec.yaml.tree import Value
from stackc.spec.yaml.yaml_reader import read_yaml

_DOCUMENT_KEYS = (
    "stackc", "name", "dims", "params", "inputs", "graph", "nodes", "blocks", "outputs", "weights", "description",
    "task", "huggingface", "train", "assert", "budget", "decode",
)  # fmt: skip
TRAIN_SETTINGS = (
    "data", "optimizer", "schedule", "epochs", "steps", "metrics", "stop", "clip", "accumulate", "precision", "seed",
    "ema", "freeze", "loss_weights", "checkpoint", "recalibrate", "privacy",
)  # fmt: skip
_NODE_KEYS = ("op", "merge", "tie", "same_as", "reparam", "source", "freeze", "weights")


def parse(source: Source, *, recover: bool = False) -> Document:
    """Parse a spec: as Mermaid if its file's name says so, else as YAML.

    Requires any text; ensures a whole `Document`. Raises SpecError with every problem of the text. With `recover`,
    problems that the reader could repair are kept in the document's `problems` instead, so that later stages can report
    theirs beside them.
    """
    source = checked_source(source)
    if source.syntax == "mermaid":
        document = _read_mermaid(source)
    else:
        document = _Reader(source, Collector()).document(read_yaml(source.text, file=source.file), drawing=None)

    if document.problems and not recover:
        raise SpecError(*document.problems)
    return document


# -- a Mermaid file: front matter and diagram


def _read_mermaid(source: Source) -> Document:
    match = FRONT_MATTER.match(source.text)
    if match is None or not top_keys(match["keys"]).difference(MERMAID_KEYS):
        fail_without_front_matter(source, match)

    # The diagram is parsed before the front matter, so that its problems are reported even if the YAML is broken.
    diagnostics = Collector()
    reader = _Reader(source, diagnostics)
    body = re.sub(f"^{match['indent']}", "", source.text[match.end() :], flags=re.MULTILINE)
    start = Span(source.file, source.text[: match.end()].count("\n") + 1, len(match["indent"]) + 1)
    drawing = reader.parse_drawing(body, start, header=True) if body.strip() else Drawing()

    try:
        line = source.text[: match.start("keys")].count("\n") + 1
        tree = read_yaml(match["keys"], file=source.file, line=line)
    except SpecError as error:
        diagnostics.extend(error)
        diagnostics.raise_if_any()
        raise
    return reader.document(tree, drawing=drawing)


# -- the keys of a spec


@dataclass
class _Reader:
    source: Source
    diagnostics: Collector

    def document(self, tree: Value, drawing: Drawing | None) -> Document:
        """Read a whole spec; `drawing` is the diagram of a Mermaid file, None if it is under `graph:`."""
        root = Getter.of(tree, "", self.diagnostics)
        if not isinstance(tree.data, dict):
            self.diagnostics.raise_if_any()
        root = self.known_keys(root, has_diagram=drawing is not None)
        self.check_version(root)
        name = self.name(root)
        dims = {key: self.dim(key, getter) for key, _, getter in root.inner("dims").each()}
        params = self.params(root)
        inputs = {key: read_input(key, getter) for key, _, getter in root.inner("inputs").each()}
        # After these, since an empty drawing is reported only if nothing else is wrong.
        drawing = self.graph(root) if drawing is None else self.check_not_empty(drawing, "the spec", root.span)

        document = Document(
            name=name,
            source=self.source,
            dims=dims,
            params=params,
            inputs=inputs,
            body=self.body(name, root, drawing),
            blocks={key: self.block(key, getter) for key, _, getter in root.inner("blocks").each()},
            weights=read_weights(root.inner("weights")) if "weights" in root.entries else None,
            span=root.span,
            description=root.entries["description"].value.written if "description" in root.entries else None,
            huggingface=read_huggingface(root.inner("huggingface"), params) if "huggingface" in root.entries else None,
            task=self.task(root),
            train=self.train(root.inner("train")) if "train" in root.entries else None,
            asserts=read_bounds(root.inner("assert")),
            budget=read_budget_key(root.inner("budget")) if "budget" in root.entries else None,
            decode=read_decode(root.inner("decode")) if "decode" in root.entries else None,
        )

        self.check_names(document)
        self.diagnostics.raise_if_any()
        return replace(document, problems=self.diagnostics.repaired)

    def known_keys(self, root: Getter, *, has_diagram: bool) -> Getter:
        if has_diagram and "graph" in root.entries:
            message = "a Mermaid spec has no `graph` key: its drawing is the diagram below the front matter"
            self.diagnostics.error("S004", message, root.entries["graph"].key, "move the arrows there")
        return root.only(*_DOCUMENT_KEYS, *(MERMAID_KEYS if has_diagram else ()))

    def check_version(self, root: Getter) -> None:
        """Raise SpecError S007 at once for another language version: nothing else of the spec can be judged then."""
        value = root.value("stackc")
        write = f"write `stackc: {LANGUAGE_VERSION}`"
        if value is None:
            self.diagnostics.error("S007", "the language version is missing", root.span, f"{write} at the top")
            return
        if type(value.data) is int and value.data == LANGUAGE_VERSION:
            return

        if value.written in (f"{LANGUAGE_VERSION}", f"{LANGUAGE_VERSION}.0"):
            is_quoted = isinstance(value.data, str)
            message = f"the language version must be a whole number, but is {'text' if is_quoted else value.written}"
            self.diagnostics.repair("S007", message, value.span, write + ", without quotes" * is_quoted)
            return
        message = f"language version {value.written} is unknown"
        raise SpecError(Diagnostic("S007", message, value.span, f"this stackc reads version {LANGUAGE_VERSION}"))

    def name(self, root: Getter) -> str:
        value = root.value("name")
        name = root.text("name") if value else Path(self.source.file).stem
        if name is not None and (reason := why_no_file_name(name)):
            message = f"'{name}' is not a valid name for a spec: it is also the name of the artifact's folder, {reason}"
            span, hint = value.span if value else root.span, f"write `name: {as_file_name(name)}`"
            self.diagnostics.error("S008", message, span, hint)
        return name or ""

    def task(self, root: Getter) -> str | None:
        if (task := root.text("task")) is not None and task not in TASKS:
            span = root.entries["task"].value.span
            self.diagnostics.error("S005", f"'{task}' is not a task", span, did_you_mean(task, TASKS))
        return task

    def check_names(self, document: Document) -> None:
        """Report S008 for invalid names, and for a name that both a param and a dim have."""
        for key, input in (*document.inputs.items(), *(document.train.inputs.items() if document.train else ())):
            check_name(key, "an input", input.span, self.diagnostics)
        for key, block in document.blocks.items():
            check_name(key, "a block", block.body.span, self.diagnostics)
        for name in document.params.keys() & document.dims.keys():
            message = f"'{name}' is the name of both a param and a dim"
            note = Note("the dim", document.dims[name].span)
            self.diagnostics.error("S008", message, document.params[name].span, "rename one of them", note)

    # -- dims, params and inputs

    def dim(self, name: str, getter: Getter) -> DimDecl:
        check_symbol(name, "a dim", getter.span, self.diagnostics)
        getter = getter.only("min", "max", "below", "multiple_of")
        if "max" in getter.entries and "below" in getter.entries:
            message = f"{getter.path} has both `max` and `below`"
            self.diagnostics.error("S005", message, getter.entries["below"].key, "keep one of the two")
        minimum, maximum, multiple_of = (getter.value(key) for key in ("min", "max", "multiple_of"))
        return DimDecl(name, minimum, maximum, multiple_of, getter.span, getter.value("below"))

    def params(self, getter: Getter) -> dict[str, ParamDecl]:
        params, inner = {}, getter.inner("params")
        for key, entry in inner.entries.items():
            check_symbol(key, "a param", entry.key, self.diagnostics)
            if isinstance(entry.value.data, dict):
                params[key] = read_param(key, Getter.of(entry.value, inner.at(key), self.diagnostics, entry.key))
            elif not is_list_of_scalars(entry.value):
                wanted = "a number, text, true, false, a list of these, or a mapping with its type"
                inner.wrong(key, wanted, entry.value)
            else:
                params[key] = plain_param(key, entry)
        return params

    # -- the drawing

    def graph(self, getter: Getter) -> Drawing:
        """Parse the text under `graph:`; empty after reporting S005 if it is not a text with its lines kept."""
        value = getter.value("graph")
        owner = f"the block '{getter.path.rpartition('.')[2]}'" if "." in getter.path else getter.path or "the spec"
        if value is None or value.data is None:
            return self.check_not_empty(Drawing(), owner, value.span if value else getter.span)

        if not isinstance(value.data, str):
            getter.wrong(
                "graph", "text", value, "write `graph: |`, then one arrow per line below it: `x --> y[linear]`"
            )
            return Drawing()
        if value.block is None:
            hint = "write `graph: |`, then one arrow per line below it"
            message = "YAML joins the lines of this text into one, but a drawing needs its lines"
            self.diagnostics.error("S005", message, value.span, hint)
            return Drawing()

        before = len(self.diagnostics.diagnostics)
        drawing = self.parse_drawing(value.data, value.block, header=False)
        is_broken = len(self.diagnostics.diagnostics) > before
        return drawing if is_broken else self.check_not_empty(drawing, owner, value.span)

    def check_not_empty(self, drawing: Drawing, owner: str, span: Span) -> Drawing:
        """Return the drawing, after reporting S006 if it is empty and nothing else explains that."""
        if not drawing.nodes and not self.diagnostics.diagnostics:
            hint = "write them under `graph: |`, for example `x --> y[linear]`"
            if owner == "the spec" and self.source.syntax == "mermaid":
                hint = "write the diagram below the front matter"
            self.diagnostics.error("S006", f"{owner} has no arrows", span, hint)
        return drawing

    def parse_drawing(self, text: str, start: Span, *, header: bool) -> Drawing:
        try:
            return read_drawing(text, file=start.file, line=start.line, column=start.column, header=header)
        except SpecError as error:
            self.diagnostics.extend(error)
            return Drawing()

    # -- nodes, outputs and blocks

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
            same_as=same_as.as_id if (same_as := getter.value("same_as")) else None,
            source=_parse_location(getter.text("source")),
            reparam=getter.inner("reparam").entries,
            **{key: getter.value(key) for key in ("freeze", "weights")},
            fields={k: entry for k, entry in getter.entries.items() if k not in _NODE_KEYS},
        )

    def outputs(self, getter: Getter) -> tuple[OutputDecl, ...]:
        """Read `outputs: head`, `outputs: [head, encoder.3]`, `outputs: {logits: head}` or `{logits: {of: head}}`."""
        value = getter.value("outputs")
        if value is not None and isinstance(value.data, dict):
            named = [(key, *self._output_source(key, entry.value), entry.key) for key, entry in value.data.items()]
        else:
            named = [(v.written, v.as_id, (), v.span) for v in getter.values("outputs") or ()]

        outputs: dict[str, OutputDecl] = {}
        for name, source, nonfinite, span in named:
            if not isinstance(source.data, str):
                message = f"an output must name a node, but is {source.kind}"
                hint = "write the id of a node, or the path of a tap: `encoder.3`"
                if isinstance(source.data, float):
                    hint = "write a path that looks like a number in quotes, digit for digit: `'22.3'`"
                self.diagnostics.error("S005", message, source.span, hint)
            elif name in outputs:
                self.report_duplicate("output", name, span, outputs[name].span)
            elif not re.fullmatch(r"[\w-][\w.-]*", name):
                hint = "use letters (of any script), digits, '_', '.' and '-'"
                self.diagnostics.error("S008", f"'{name}' is not a valid name for an output", span, hint)
            else:
                outputs[name] = OutputDecl(name, source.data, source.span, nonfinite)
        return tuple(outputs.values())

    def _output_source(self, name: str, written: Value) -> tuple[Value, tuple[str, ...]]:
        """Return the value that names the node of an output, and what besides numbers it is meant to hold.

        Reports S004 and S005 for a mapping that is not `{of: NODE, nonfinite: [nan, inf, -inf]}`.
        """
        if not isinstance(written.data, dict):
            return written.as_id, ()
        getter = Getter.of(written, f"outputs.{name}", self.diagnostics).only("of", "nonfinite")
        wanted = f"a list of {', '.join(NONFINITE)}"
        kinds = getter.texts("nonfinite", wanted, "write for example `nonfinite: [-inf]`")
        for kind in kinds:
            if kind.data not in NONFINITE:
                message = f"{getter.at('nonfinite')} must be {wanted}, but has '{kind.data}'"
                word = str(kind.data)
                same_sign = [known for known in NONFINITE if known.startswith("-") == word.startswith("-")]
                self.diagnostics.error("S005", message, kind.span, did_you_mean(word, same_sign))
        of = getter.value("of") or Value(None, written.span)
        return of.as_id, tuple(str(kind.data) for kind in kinds)

    def block(self, name: str, getter: Getter) -> BlockDecl:
        getter = getter.only("params", "inputs", "graph", "nodes", "outputs", "description")
        ports = self.ports(getter)
        if not getter.values("inputs"):
            hint = "for example `inputs: [x]`"
            self.diagnostics.error("S006", f"the block '{name}' has no inputs", getter.span, hint)
        body = self.body(name, getter, self.graph(getter))
        for output in body.outputs:
            if output.nonfinite:
                message = f"the output '{output.name}' of the block '{name}' has 'nonfinite'"
                hint = "it is for the outputs of the model, which are proven: write it there"
                self.diagnostics.error("S004", message, output.span, hint)
        return BlockDecl(body, self.params(getter), ports)

    def train(self, getter: Getter) -> TrainDecl:
        getter = getter.only("inputs", "graph", "nodes", *TRAIN_SETTINGS)
        return TrainDecl(
            inputs={key: read_input(key, inner) for key, _, inner in getter.inner("inputs").each()},
            body=self.body("train", getter, self.graph(getter)),
            settings={key: getter.entries[key] for key in TRAIN_SETTINGS if key in getter.entries},
            span=getter.span,
        )

    def ports(self, getter: Getter) -> tuple[PortDecl, ...]:
        """Read the inputs of a block, a list of names; `name?` is optional."""
        names = ", ".join(getter.inner_keys("inputs")) or "x"
        hint = f"for example `inputs: [{names}]`: each takes the type of the value that enters it"
        ports: dict[str, PortDecl] = {}
        for value in getter.texts("inputs", "a list of names", hint):
            text = str(value.data)
            if "," in text:
                listed = ", ".join(text.replace(",", " ").split())
                fix = f"write a list: `inputs: [{listed}]`"
                self.diagnostics.error("S005", f"'{text}' is a single name", value.span, fix)
                continue

            port = PortDecl(text.removesuffix("?"), text.endswith("?"), value.span)
            check_name(port.name, "an input", value.span, self.diagnostics)
            if port.name in ports:
                self.report_duplicate("input", port.name, value.span, ports[port.name].span)
            ports[port.name] = port
        return tuple(ports.values())

    def report_duplicate(self, what: str, name: str, span: Span, first: Span) -> None:
        note = Note("first written here", first)
        self.diagnostics.error("S002", f"the {what} '{name}' is listed twice", span, "keep one of the two", note)


def _parse_location(text: str | None) -> Span | None:
    """Parse `file:line` as locks write it; return None for anything else."""
    file, _, line = (text or "").rpartition(":")
    return Span(file, int(line), 0) if file and line.isdecimal() else None
