"""The nodes of a model that are not on the provider that was asked for, by component, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stackc.core.diagnostics import Collector, Span
from stackc.runtime.providers import has_kernel, provider_name
from stackc.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Placement:
    """A node of the model with its provider, by stackc's name for it."""

    node: str
    op_type: str
    provider: str
    domain: str = ""


def placement(session: Session) -> tuple[Placement, ...]:
    """Return every node of the model with its provider, as assigned after constant folding and before fusions."""
    return tuple(
        Placement(node.name, node.op_type, provider_name(part.ep_name), node.domain)
        for part in session._session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    )


def off_provider_nodes(session: Session, paths: Iterable[str] | None = None) -> dict[str, tuple[Placement, ...]]:
    """Return the nodes that are on another provider than the session's, by component.

    A node belongs to the longest of the component paths that its name begins with, or to "" if there is none. Without
    `paths` it belongs to the part of its name before the first `/`, the component's path in a model of stackc.
    """
    known_paths = None if paths is None else set(paths)
    nodes: dict[str, tuple[Placement, ...]] = {}
    for node in placement(session):
        if node.provider != session.provider:
            path = node.node.partition("/")[0] if known_paths is None else _owner(node.node, known_paths)
            nodes[path] = (*nodes.get(path, ()), node)
    return nodes


def _owner(node: str, paths: set[str]) -> str:
    """Return the longest of the paths that the name of a node begins with, "" if none."""
    ends = [i for i, c in enumerate(node) if c in "./"] + [len(node)]
    return next((node[:end] for end in reversed(ends) if node[:end] in paths), "")


def off_provider_lines(session: Session, paths: Iterable[str] | None = None) -> list[str]:
    """Return a line for each component with nodes off the provider: the nodes, where they are, and why."""
    return [
        f"{_subject(path)}: {_describe(nodes)} ({'; '.join(_reasons(session, nodes))})"
        for path, nodes in off_provider_nodes(session, paths).items()
    ]


def describe_session(session: Session, places: Mapping[str, Span], *, require: bool) -> str:
    """Name the provider and the components that are not, or not wholly, on it; `places` are the spans of all.

    Raises SpecError R407 if all are required to be.
    """
    if require:
        require_placed(session, places)
    elsewhere = "".join(f"\n  not there: {line}" for line in off_provider_lines(session, places))
    return f"{session.provider}: {session.reason}{elsewhere}"


def require_placed(session: Session, places: Mapping[str, Span] | None = None) -> None:
    """Raise SpecError (R407) with each component that has nodes off the provider; `places` are the spans of all."""
    diagnostics = Collector()
    for path, nodes in off_provider_nodes(session, places).items():
        message = f"{session.provider} is required, but {_subject(path)} has {_describe(nodes)}"
        diagnostics.error("R407", message, (places or {}).get(path), hint="; ".join(_reasons(session, nodes)))
    diagnostics.raise_if_any()


def _subject(path: str) -> str:
    return f"'{path}'" if path else "the model"


def _describe(nodes: Sequence[Placement]) -> str:
    """Describe nodes by operator and provider: `MatMul, 2 Gather on cpu`."""
    providers = dict.fromkeys(node.provider for node in nodes)
    return "; ".join(f"{_count_each(n.op_type for n in nodes if n.provider == p)} on {p}" for p in providers)


def _count_each(names: Iterable[str]) -> str:
    counts = Counter(names)
    return ", ".join(name if number == 1 else f"{number} {name}" for name, number in counts.items())


def _reasons(session: Session, nodes: Sequence[Placement]) -> dict[str, None]:
    return dict.fromkeys(_reason(session.provider, node) for node in nodes)


def _reason(provider: str, node: Placement) -> str:
    """Explain why a node is not on a provider, as far as can be determined: ONNX Runtime gives no reason."""
    supported = has_kernel(provider, node.domain, node.op_type)
    if supported is False:
        return f"{provider} has no kernel for {node.op_type}"
    kernel = f"{provider} has kernels for {node.op_type}, but none" if supported else f"either {provider} has no kernel"
    return f"{kernel} for these types, or this is shape arithmetic, which ONNX Runtime leaves on the CPU"
