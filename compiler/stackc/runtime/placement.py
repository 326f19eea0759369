"""Where the nodes of a model went: those that are not on the provider asked for, by component, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stackc.core.diagnostics import Collector, Span
from stackc.runtime.providers import has_kernel, provider_name
from stackc.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a node of the model went: the provider by stackc's word for it."""

    node: str
    op_type: str
    provider: str
    domain: str = ""


def placement(session: Session) -> tuple[Placement, ...]:
    """Every node of the model with its provider, as they were assigned after constant folding, before fusions."""
    return tuple(
        Placement(node.name, node.op_type, provider_name(part.ep_name), node.domain)
        for part in session._session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    )


def off_provider_nodes(session: Session, paths: Iterable[str] | None = None) -> dict[str, tuple[Placement, ...]]:
    """The nodes that went to another provider than the session's, by component.

    A node belongs to the longest of the component paths that its name begins with, to "" where there is none. Without
    `paths` it belongs to what stands before the first `/`, which is the component's path in a model of stackc.
    """
    known = None if paths is None else set(paths)
    found: dict[str, tuple[Placement, ...]] = {}
    for node in placement(session):
        if node.provider != session.provider:
            path = node.node.partition("/")[0] if known is None else _owner(node.node, known)
            found[path] = (*found.get(path, ()), node)
    return found


def _owner(node: str, paths: set[str]) -> str:
    ends = [i for i, c in enumerate(node) if c in "./"] + [len(node)]
    return next((node[:end] for end in reversed(ends) if node[:end] in paths), "")


def off_provider_lines(session: Session, paths: Iterable[str] | None = None) -> list[str]:
    """A line for every component that is not wholly on the provider: its nodes, where they went, and why."""
    found = off_provider_nodes(session, paths).items()
    return [f"{_subject(path)}: {_told(nodes)} ({'; '.join(_reasons(session, nodes))})" for path, nodes in found]


def require_placed(session: Session, places: Mapping[str, Span] | None = None) -> None:
    """Raise SpecError R407 for every component of which a node went elsewhere; `places` has the components' lines."""
    diagnostics = Collector()
    for path, nodes in off_provider_nodes(session, places).items():
        message = f"{session.provider} was required, and {_subject(path)} has {_told(nodes)}"
        diagnostics.error("R407", message, (places or {}).get(path), hint="; ".join(_reasons(session, nodes)))
    diagnostics.raise_if_any()


def _subject(path: str) -> str:
    return f"'{path}'" if path else "the model"


def _told(nodes: Sequence[Placement]) -> str:
    """`MatMul, 2 Gather on cpu`: the operators of nodes with their number, and where they went."""
    providers = dict.fromkeys(node.provider for node in nodes)
    return "; ".join(f"{_counted(n.op_type for n in nodes if n.provider == p)} on {p}" for p in providers)


def _counted(names: Iterable[str]) -> str:
    counts = Counter(names)
    return ", ".join(name if number == 1 else f"{number} {name}" for name, number in counts.items())


def _reasons(session: Session, nodes: Sequence[Placement]) -> dict[str, None]:
    return dict.fromkeys(_reason(session.provider, node) for node in nodes)


def _reason(provider: str, node: Placement) -> str:
    """Why a node is not on a provider, as far as it can be found out: ONNX Runtime itself does not say."""
    known = has_kernel(provider, node.domain, node.op_type)
    if known is False:
        return f"{provider} has no kernel for {node.op_type}"
    kernel = f"{provider} has kernels for {node.op_type}, but none" if known else f"either {provider} has no kernel"
    return f"{kernel} for these types, or this is arithmetic on shapes, which ONNX Runtime leaves to the cpu"
