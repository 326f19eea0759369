"""A picture independent of any format: boxes in clusters, and arrows between boxes.

Ids are paths (`encoder.0.attn`); texts are plain, not escaped for any format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Form = Literal["input", "output", "port", "component", "merge", "model"]


@dataclass(frozen=True, slots=True)
class Box:
    """A drawn node, with `lines` below its title; `repeat` is the number of equal nodes that it represents.

    `form` is an input or output of the whole model, a `port` at which an arrow into a cluster forks, a component, a
    `merge` that was inserted rather than drawn (`merge: sum`), or a `model`: a closed block or stack. `family` sets the
    colour: the family of a component, the kind of model ("block", "stack"), or else the form.
    """

    id: str
    title: str
    lines: tuple[str, ...] = ()
    form: Form = "component"
    family: str = ""
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """A frame around parts: an opened block or stack, a repeated sequence in a stack, a group of the drawing."""

    id: str
    title: str
    lines: tuple[str, ...]
    family: str
    parts: tuple[Part, ...]
    repeat: int = 1


Part: TypeAlias = Box | Cluster


@dataclass(frozen=True, slots=True)
class PictureArrow:
    """An arrow between two boxes; `port` is set unless it is the first, `type` unless the source shows it.

    `number` is its place among the arrows into one port, from 1, where their order matters and the drawing has them on
    several lines, else 0.

    An arrow goes `around` if its value also reaches the target through other boxes, as with a residual connection. The
    type is then shown on the arrow into those boxes.
    """

    source: str
    target: str
    port: str = ""
    type: str = ""
    around: bool = False
    number: int = 0

    @property
    def label(self) -> str:
        """The label of the arrow: `mask: int64[batch, seq]`."""
        return ": ".join(text for text in (self.port, "" if self.around else self.type) if text)


@dataclass(frozen=True)
class Picture:
    """A complete picture. `direction` is that of Mermaid: TB, BT, LR or RL."""

    title: str
    subtitle: str
    direction: str
    parts: tuple[Part, ...]
    arrows: tuple[PictureArrow, ...]

    def boxes(self) -> Iterator[Box]:
        """Yield every box, in running order."""
        return (part for part in walk(self.parts) if isinstance(part, Box))


def walk(parts: tuple[Part, ...]) -> Iterator[Part]:
    """Yield every part; after a cluster, the parts in it."""
    for part in parts:
        yield part
        if isinstance(part, Cluster):
            yield from walk(part.parts)


def heading(part: Part) -> str:
    """Return the title with the number of repeats."""
    return part.title if part.repeat == 1 else f"{part.title} ×{part.repeat}"
