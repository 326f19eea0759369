"""A picture before it is drawn: boxes in clusters, and arrows between boxes. Mermaid, DOT and SVG are written from it.

Ids are paths (`encoder.0.attn`), texts are plain: nothing here is escaped for any format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Form = Literal["input", "output", "port", "component", "merge", "model"]


@dataclass(frozen=True, slots=True)
class Box:
    """A node as drawn: `lines` stand below the title, `repeat` is how many equal ones it stands for.

    `form` says what it is: an input or output of the whole, a `port` where an arrow into a cluster forks, a component,
    a `merge` that no one drew (`merge: sum`), or a `model`, which is a block or a stack left closed. `family` is the
    family of a component, else the kind of model ("block", "stack"), else the form: it chooses the colour.
    """

    id: str
    title: str
    lines: tuple[str, ...] = ()
    form: Form = "component"
    family: str = ""
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """A frame around parts: a block or stack that is opened, a repeated stretch of a stack, a group of the drawing."""

    id: str
    title: str
    lines: tuple[str, ...]
    family: str
    parts: tuple[Part, ...]
    repeat: int = 1


Part: TypeAlias = Box | Cluster


@dataclass(frozen=True, slots=True)
class PictureArrow:
    """An arrow between two boxes; `port` is told where it is not the first one, `type` unless the source tells it.

    It goes `around` where its value also gets to the target by way of others, as a residual connection does. The type
    then stands on the arrow that it goes around.
    """

    source: str
    target: str
    port: str = ""
    type: str = ""
    around: bool = False

    @property
    def label(self) -> str:
        """What stands on the arrow: `mask: int64[batch, seq]`."""
        return ": ".join(text for text in (self.port, "" if self.around else self.type) if text)


@dataclass(frozen=True)
class Picture:
    """A whole picture. `direction` is Mermaid's: TB, BT, LR or RL."""

    title: str
    subtitle: str
    direction: str
    parts: tuple[Part, ...]
    arrows: tuple[PictureArrow, ...]

    def boxes(self) -> Iterator[Box]:
        """Every box, from the outside in and in running order."""
        return (part for part in walk(self.parts) if isinstance(part, Box))


def walk(parts: tuple[Part, ...]) -> Iterator[Part]:
    """Every part and, after a cluster, what is in it."""
    for part in parts:
        yield part
        if isinstance(part, Cluster):
            yield from walk(part.parts)


def heading(part: Part) -> str:
    """The title, with the number of repeats."""
    return part.title if part.repeat == 1 else f"{part.title} ×{part.repeat}"
