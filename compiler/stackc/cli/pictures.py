"""Write pictures to files, in the form that the file's suffix names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from stackc.cli.screen import echo, style
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked
from stackc.spec.source import is_spec_file
from stackc.view.forms import SUFFIXES as SUFFIXES
from stackc.view.forms import form_of_suffix, render_picture
from stackc.view.overlays import Overlay


def draw_picture(checked: Checked, suffix: str, depth: int, overlays: tuple[Overlay, ...] = ()) -> str | bytes:
    """Return the content of a file that ends in one of SUFFIXES; a page can be coloured by `overlays`.

    Warn about characters that a PNG cannot show.
    """
    form = form_of_suffix(suffix)
    assert form is not None, "picture_target lets no other suffix through"

    picture = render_picture(checked.typed, checked.sources, form, depth, checked.training, overlays)
    if picture.missing:
        _warn_of_missing_glyphs(picture.missing)
    return picture.data


def _warn_of_missing_glyphs(missing: str) -> None:
    characters = missing[:20] + "…" * (len(missing) > 20)
    message = f"no installed font has {characters}: the PNG shows empty boxes instead"
    echo(style("warning:", fg="yellow"), f" {message}", err=True)
    echo("help: install a font that has them (for Chinese on Debian: fonts-noto-cjk), or write SVG", err=True)


def picture_target(
    out: Path,
    option: str,
    sources: Iterable[Path],
    suffixes: Sequence[str] = SUFFIXES,
    hint: str = "",
    *,
    writes_specs: bool = False,
) -> None:
    """Check that the file to write has one of `suffixes` and is not a spec, whether one of `sources` or another.

    Raises click.BadParameter for `option`; `hint` is appended if the suffix is wrong. A command that writes specs may
    overwrite other specs.
    """
    if out.suffix.lower() not in suffixes:
        allowed = f"in one of {', '.join(suffixes)}" if len(suffixes) > 1 else f"in {suffixes[0]}"
        raise click.BadParameter(f"'{out}' must end {allowed}{hint}", param_hint=option)

    refuse_spec(out, option, sources, writes_specs=writes_specs)


def refuse_spec(out: Path, option: str, sources: Iterable[Path], *, writes_specs: bool = False) -> None:
    """Raise click.BadParameter for `option` if the file to write is one of `sources`, or another spec."""
    if any(_is_same_file(out, source) for source in sources):
        message = f"'{out}' is an input of this command and would be lost; name another file"
    elif not writes_specs and is_spec_file(out):
        message = f"'{out}' is a spec and would be lost; name another file, or remove it first"
    else:
        return
    raise click.BadParameter(message, param_hint=option)


def _is_same_file(out: Path, source: Path) -> bool:
    """Whether both are the same file; `source` may be a spec in Markdown (`README.md#NAME`)."""
    file = source.with_name(source.name.partition("#")[0]) if "#" in source.name else source
    return out.exists() and file.exists() and out.samefile(file)


def write_file(out: Path, content: str | bytes) -> None:
    """Write a picture or page. Raises SpecError (V103) if the file cannot be written."""
    try:
        out.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise SpecError(Diagnostic("V103", f"cannot write {out}: {error.strerror}")) from error
