"""The graph under `train:`, drawn beside the model: both together are a spec again, whose outputs are the losses.

So a loss is resolved, checked and lowered like any other node, and the model itself has none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from stackc.components.losses import Loss
from stackc.core.diagnostics import Collector, Span, did_you_mean
from stackc.ir.model import Graph, ValueRef
from stackc.ir.program import Program
from stackc.ir.training import COUNT
from stackc.resolve.train_metrics import MetricDecl, metric_entry, read_metrics
from stackc.spec.document import Body, Document, OutputDecl, TrainDecl
from stackc.spec.drawing import Arrow, DrawnNode


@dataclass(frozen=True)
class TrainGraph:
    """A model and its losses as one document, with the names of the losses and metrics among its nodes."""

    document: Document
    losses: tuple[str, ...]
    metrics: tuple[str, ...]
    span: Span


def train_graph(document: Document, model: Graph) -> TrainGraph:
    """Return the model and the losses under `train:` as one document; its outputs are those of the model, then each
    loss and metric.

    Raises SpecError: L102 if the train graph changes the model or takes one of its names, N312 for unknown names.
    """
    train = document.train
    assert train is not None, "only for specs with `train`"
    diagnostics = Collector()
    outputs = document.body.outputs or tuple(
        OutputDecl(name, ref.node, document.span) for name, ref in model.root.outputs.items()
    )
    sources = {output.name: output.source for output in outputs}
    _check_names(document, train, sources, diagnostics)

    metrics = read_metrics(train, diagnostics)
    drawn = _drawn_nodes(document, train, sources, metrics, diagnostics)
    arrows = [_from_output(arrow, sources) for arrow in (*train.body.drawing.arrows, *_metric_arrows(metrics))]
    diagnostics.raise_if_any()

    leaving = {arrow.source for arrow in arrows}
    losses = tuple(name for name in drawn if name not in leaving and name not in metrics)
    drawing = replace(
        document.body.drawing,
        nodes={**document.body.drawing.nodes, **drawn},
        arrows=(*document.body.drawing.arrows, *arrows),
    )
    entries = {name: metric_entry(metric) for name, metric in metrics.items()}
    means = [OutputDecl(name, name, drawn[name].span) for name in (*losses, *metrics)]
    body = Body(
        document.body.name,
        drawing,
        {**document.body.nodes, **train.body.nodes, **entries},
        (*outputs, *means),
        document.body.span,
    )
    joined = replace(document, inputs={**document.inputs, **train.inputs}, body=body, train=None)
    return TrainGraph(joined, losses, tuple(metrics), train.span)


def with_counts(graph: Graph, drawn: TrainGraph) -> tuple[Graph, tuple[str, ...], tuple[str, ...]]:
    """Return the graph with the counts of all losses and metrics among its outputs, and the names of both.

    What is drawn as a metric counts as one. Raises SpecError L103 for a train graph without a loss, or one that ends
    in anything else.
    """
    diagnostics, losses, metrics = Collector(), list[str](), list(drawn.metrics)
    for name in (*drawn.losses, *drawn.metrics):
        node = graph.root.nodes[name]
        if not isinstance(node.body, Loss):
            message = f"the train graph ends in '{name}' ({node.op}), which is no loss"
            diagnostics.error("L103", message, node.span, "draw an arrow from it to a loss, or remove it")
        elif name not in metrics:
            (metrics if node.body.family == "metric" else losses).append(name)
    if not losses and not diagnostics.diagnostics:
        hint = "for example `… --> loss[cross_entropy]`"
        diagnostics.error("L103", "the train graph has no loss", drawn.span, hint)
    diagnostics.raise_if_any()

    counts = {f"{name}.{COUNT}": ValueRef(name, 1) for name in (*losses, *metrics)}
    root = replace(graph.root, outputs={**graph.root.outputs, **counts})
    return replace(graph, root=root), tuple(losses), tuple(metrics)


def refuse_learned(training: Program, model: Program) -> None:
    """Raise SpecError L106 for each component under `train` with parameters or buffers that the model does not have."""
    diagnostics, known = Collector(), model.tensors().keys()
    for call in training.calls:
        own = [name for name in (*call.parameters.values(), *call.buffers.values()) if name not in known]
        if own:
            message = f"'{call.path}' has weights of its own under train, so the exported model would not have them"
            hint = "draw it among the nodes of the model: the losses may read it there"
            diagnostics.error("L106", message, call.span, hint)

    for part in training.parts:
        if part.path not in {other.path for other in model.parts}:
            message = f"'{part.path}' is under train, where nothing has weights"
            diagnostics.error("L106", message, part.decl.span, "remove `weights`")
    diagnostics.raise_if_any()


def _check_names(document: Document, train: TrainDecl, sources: Mapping[str, str], diagnostics: Collector) -> None:
    """Report L102 for an input of `train` with a name of the model, and for entries of nodes of the model."""
    taken = {**document.inputs, **document.body.drawing.nodes, **sources}
    for name, decl in train.inputs.items():
        if name in taken:
            message = f"the input '{name}' of train has a name that the model has already"
            diagnostics.error("L102", message, decl.span, "give it another name")
    for name, entry in train.body.nodes.items():
        if name in taken:
            message = f"'{name}' is a node of the model: train cannot change it"
            diagnostics.error("L102", message, entry.span, "change its entry among the nodes of the model")


def _drawn_nodes(
    document: Document,
    train: TrainDecl,
    sources: Mapping[str, str],
    metrics: Mapping[str, MetricDecl],
    diagnostics: Collector,
) -> dict[str, DrawnNode]:
    """Return the nodes of the train graph itself; report L102 for an arrow into the model and for a taken name."""
    model = {*document.inputs, *document.body.drawing.nodes, *sources}
    for arrow in train.body.drawing.arrows:
        if arrow.target in model or arrow.target in train.inputs:
            is_input = arrow.target in train.inputs or arrow.target in document.inputs
            what = "an input" if is_input else "a part of the model"
            message = f"an arrow of train enters '{arrow.target}', which is {what}"
            diagnostics.error("L102", message, arrow.span, "arrows of train go from the model and its inputs to losses")

    own = {
        name: node for name, node in train.body.drawing.nodes.items() if name not in model and name not in train.inputs
    }
    for name, metric in metrics.items():
        if name in own or name in model or name in train.inputs:
            diagnostics.error(
                "L102", f"the metric '{name}' has the name of a node", metric.span, "give it another name"
            )
        for end, value in (("of", metric.of), ("target", metric.target)):
            head = value.partition(".")[0]
            if head not in model and value not in model and head not in own and head not in train.inputs:
                message = f"metrics.{name}.{end} names '{value}', which is not a node, an output or an input"
                hint = did_you_mean(value, [*model, *own, *train.inputs])
                diagnostics.error("N312", message, metric.span, hint)
        own[name] = DrawnNode(name, span=metric.span)
    return own


def _metric_arrows(metrics: Mapping[str, MetricDecl]) -> Iterator[Arrow]:
    """Yield the two arrows into each metric."""
    for name, metric in metrics.items():
        for source, port in ((metric.of, None), (metric.target, "target")):
            head, dot, rest = source.partition(".")
            text = f"{rest}:{port or ''}" if dot else port
            yield Arrow(head, name, text, span=metric.span)


def _from_output(arrow: Arrow, sources: Mapping[str, str]) -> Arrow:
    """Return an arrow from an output of the model as one from the node, or the path, that the output names."""
    head, dot, rest = sources.get(arrow.source, arrow.source).partition(".")
    if not dot:
        return replace(arrow, source=head)
    return replace(arrow, source=head, text=f"{'.'.join(filter(None, (rest, arrow.out)))}:{arrow.into or ''}")
