"""The forms of a picture: name, file suffix and writer, in one table.

`stackc.show`, `stackc show -o` and `stackc watch -o` draw through it. Importing this module loads no writer; each is
imported when its form is first drawn.

    PICTURE_FORMS["svg"].suffix                    # ".svg"
    form_of_suffix(".PNG")                         # "png"
    render_picture(typed, sources, "svg").data     # the content of the file: text, or the bytes of a PNG
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from stackc.ir.training import Training
    from stackc.ir.typed import TypedGraph
    from stackc.view.overlays import Overlay
    from stackc.view.picture import Picture

FormName: TypeAlias = Literal["svg", "png", "mermaid", "dot", "html"]


@dataclass(frozen=True, slots=True)
class RenderedPicture:
    """The content of a picture file. `missing` has the characters that no font of this machine can show, in a PNG."""

    data: str | bytes
    missing: str = ""


@dataclass(frozen=True, slots=True)
class PictureForm:
    """The suffix of a form's files, and its writer: model, texts of files, depth → content of the file."""

    suffix: str
    write: Callable[[DrawnModel, Mapping[str, str], int], RenderedPicture]


@dataclass(frozen=True, slots=True)
class DrawnModel:
    """A model, and what is drawn beside it: how it is trained, if the spec says so, and `overlays` of a page."""

    typed: TypedGraph
    training: Training | None = None
    overlays: tuple[Overlay, ...] = ()

    def picture(self, depth: int) -> Picture:
        """Return the picture, with blocks and stacks opened down to `depth`."""
        from stackc.view.compose import compose
        from stackc.view.training import with_training

        picture = compose(self.typed, depth)
        return with_training(picture, self.typed, self.training, depth) if self.training else picture


def render_picture(
    typed: TypedGraph,
    sources: Mapping[str, str],
    form: FormName,
    depth: int = 1,
    training: Training | None = None,
    overlays: tuple[Overlay, ...] = (),
) -> RenderedPicture:
    """Draw a typed graph, with blocks and stacks opened down to `depth`. Raises SpecError (V101, V102).

    `sources` has the texts of the spec's files by name, from which a page quotes the line of each node. `training` is
    drawn apart, in a frame of its own. A page can be coloured by `overlays`.
    """
    return PICTURE_FORMS[form].write(DrawnModel(typed, training, overlays), sources, depth)


def form_of_suffix(suffix: str) -> FormName | None:
    """Return the form of files that end in `suffix`, ignoring case, or None if there is no such form."""
    return next((name for name, form in PICTURE_FORMS.items() if form.suffix == suffix.lower()), None)


def _svg(model: DrawnModel, sources: Mapping[str, str], depth: int) -> RenderedPicture:
    from stackc.view.svg import write_svg

    return RenderedPicture(write_svg(model.picture(depth)))


def _png(model: DrawnModel, sources: Mapping[str, str], depth: int) -> RenderedPicture:
    from stackc.view.png import draw_png
    from stackc.view.svg import write_svg

    raster = draw_png(write_svg(model.picture(depth)))
    return RenderedPicture(raster.data, raster.missing)


def _mermaid(model: DrawnModel, sources: Mapping[str, str], depth: int) -> RenderedPicture:
    from stackc.view.mermaid import write_mermaid

    return RenderedPicture(write_mermaid(model.picture(depth)))


def _dot(model: DrawnModel, sources: Mapping[str, str], depth: int) -> RenderedPicture:
    from stackc.view.dot import write_dot

    return RenderedPicture(write_dot(model.picture(depth)))


def _html(model: DrawnModel, sources: Mapping[str, str], depth: int) -> RenderedPicture:
    from stackc.view.html import write_html

    return RenderedPicture(write_html(model.typed, sources, depth, model.training, model.overlays))


PICTURE_FORMS: Mapping[FormName, PictureForm] = MappingProxyType(
    {
        "svg": PictureForm(".svg", _svg),
        "png": PictureForm(".png", _png),
        "mermaid": PictureForm(".mmd", _mermaid),
        "dot": PictureForm(".dot", _dot),
        "html": PictureForm(".html", _html),
    }
)
SUFFIXES = tuple(form.suffix for form in PICTURE_FORMS.values())
"""The suffixes of picture files."""
