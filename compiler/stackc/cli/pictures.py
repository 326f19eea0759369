"""Pictures for files, by how the file's name ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked
from stackc.spec.source import is_spec_file
from stackc.view.compose import compose
from stackc.view.dot import write_dot
from stackc.view.mermaid import write_mermaid
from stackc.view.picture import Picture
from stackc.view.svg import write_svg


def _png(picture: Picture) -> bytes:
    """The PNG; says what its fonts cannot show."""
    from stackc.view.png import draw_png

    raster = draw_png(write_svg(picture))
    if raster.missing:
        shown = raster.missing[:20] + "…" * (len(raster.missing) > 20)
        message = f"no font here has {shown}: empty boxes stand for it in the PNG"
        click.echo(f"{click.style('warning:', fg='yellow')} {message}", err=True)
        click.echo("help: install a font that has it (for Chinese on Debian: fonts-noto-cjk), or write SVG", err=True)
    return raster.data


WRITERS: dict[str, Callable[[Picture], str | bytes]] = {
    ".svg": write_svg,
    ".png": _png,
    ".mmd": write_mermaid,
    ".dot": write_dot,
}
SUFFIXES = (*WRITERS, ".html")
"""How a file that holds a picture may end."""


def draw_picture(checked: Checked, suffix: str, depth: int) -> str | bytes:
    """What a file that ends in one of SUFFIXES holds."""
    if suffix == ".html":
        from stackc.view.html import write_html

        return write_html(checked.typed, checked.sources, depth)
    return WRITERS[suffix](compose(checked.typed, depth))


def picture_target(
    out: Path,
    option: str,
    sources: Iterable[Path],
    known: Sequence[str] = SUFFIXES,
    hint: str = "",
    *,
    writes_specs: bool = False,
) -> None:
    """Wrong usage where `out`, which `option` names, cannot be a picture, or is a spec, be it one of `sources` or not.

    `known` are the ways in which its name may end; `hint` follows where it ends in another. What writes specs may
    write one anew.
    """
    if out.suffix.lower() not in known:
        either = f"in one of {', '.join(known)}" if len(known) > 1 else f"in {known[0]}"
        raise click.BadParameter(f"'{out}' has to end {either}{hint}", param_hint=option)
    refuse_spec(out, option, sources, writes_specs=writes_specs)


def refuse_spec(out: Path, option: str, sources: Iterable[Path], *, writes_specs: bool = False) -> None:
    """Wrong usage where the file to write, which `option` names, is one of `sources`, or another spec."""
    if any(_is_same(out, source) for source in sources):
        message = f"'{out}' is what is read, and would be lost; name another file"
    elif not writes_specs and is_spec_file(out):
        message = f"'{out}' is a spec, and would be lost; name another file, or remove it first"
    else:
        return
    raise click.BadParameter(message, param_hint=option)


def _is_same(out: Path, source: Path) -> bool:
    """Whether both are one file, that of a spec in Markdown (`README.md#NAME`) included."""
    file = source.with_name(source.name.partition("#")[0]) if "#" in source.name else source
    return out.exists() and file.exists() and out.samefile(file)


def write_file(out: Path, drawn: str | bytes) -> None:
    """Write a picture or page. SpecError V103 where that cannot be done."""
    try:
        out.write_bytes(drawn.encode() if isinstance(drawn, str) else drawn)
    except OSError as error:
        raise SpecError(Diagnostic("V103", f"cannot write {out}: {error.strerror}")) from error
