"""`stackc show` as a shell runs it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from stackc.cli.show import command
from stackc.core.diagnostics import Span, SpecError
from stackc.frontend import check_spec
from stackc.view.compose import compose
from stackc.view.picture import walk

SPECS = Path(__file__).parents[2] / "specs"


def show(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_it_prints_mermaid() -> None:
    done = show(SPECS / "seed.mmd", "--set", "norm=batch_norm", "--dims", "batch=1,seq=4")
    assert done.exit_code == 0
    assert "flowchart LR\n" in done.stdout
    assert 'F("归一化组件<br/>batch_norm · axis -1<br/>256 parameters"):::norm' in done.stdout
    assert '-->|"[1, 4, 128]"|' in done.stdout


@pytest.mark.parametrize("suffix", ["svg", "png", "mmd", "dot", "SVG"])
def test_it_writes_what_the_name_ends_in(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"seed.{suffix}"
    done = show(SPECS / "seed.mmd", "-o", path, "--depth", "2")
    assert done.exit_code == 0
    assert done.stdout == f"wrote {path}\n"
    data = path.read_bytes()
    starts = {"svg": b"<svg ", "png": b"\x89PNG", "mmd": b"---\ntitle: ", "dot": b'digraph "seed" {'}
    assert data.startswith(starts[suffix.lower()])
    if suffix.lower() == "svg":
        assert ElementTree.fromstring(data).find(".//{*}g[@class='frame block']") is not None


def test_error_a_format_that_it_cannot_write(tmp_path: Path) -> None:
    done = show(SPECS / "seed.mmd", "-o", tmp_path / "seed.pdf")
    assert done.exit_code == 2
    assert "must end in one of .svg, .png, .mmd, .dot" in done.stderr
    assert not list(tmp_path.iterdir())


def test_error_a_place_that_it_cannot_write(tmp_path: Path) -> None:
    done = show(SPECS / "seed.mmd", "-o", tmp_path / "missing" / "seed.svg")
    assert isinstance(done.exception, SpecError)
    assert str(done.exception).endswith("seed.svg: No such file or directory")
    assert "V103" in str(done.exception)


READ = "is an input of this command"


def test_error_a_spec_is_not_written_over(tmp_path: Path) -> None:
    spec, other, link = tmp_path / "seed.mmd", tmp_path / "other.mmd", tmp_path / "link.mmd"
    text = (SPECS / "seed.mmd").read_text(encoding="utf-8")
    spec.write_text(text, encoding="utf-8")
    other.write_text(text.replace("layers", "leyers"), encoding="utf-8")  # a broken one is a spec as well
    link.symlink_to(spec)
    for target, reason in ((spec, READ), (link, READ), (other, "is a spec")):
        done = show(spec, "-o", target)
        assert done.exit_code == 2
        assert f"'{target}' {reason} and would be lost; name another file" in " ".join(done.stderr.split())
    assert spec.read_text(encoding="utf-8") == text
    assert show(spec, "--as", "mermaid", "-o", spec).exit_code == 2


def test_a_drawing_says_that_it_is_none_and_may_be_drawn_again(tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.mmd"
    assert show(SPECS / "seed.mmd", "-o", drawing).exit_code == 0
    assert "not a spec" in drawing.read_text(encoding="utf-8").splitlines()[2]
    assert show(SPECS / "seed.mmd", "-o", drawing, "--depth", "2").exit_code == 0
    with pytest.raises(SpecError) as raised:
        check_spec(drawing)
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.code, diagnostic.span) == ("S010", Span(str(drawing), 2))
    assert diagnostic.message == "this is a drawing that `stackc show` wrote, not a spec"


def test_error_mermaids_own_front_matter_makes_no_spec(tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.mmd"
    drawing.write_text("---\ntitle: A model\nconfig: {theme: dark}\n---\ngraph LR\n  x --> y[tanh]\n", encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        check_spec(drawing)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "S010"
    assert f"`stackc init {drawing}` writes it" in (diagnostic.hint or "")


def test_a_tree_to_read_on_the_screen() -> None:
    done = show(SPECS / "minilm.yaml", "--tree", "--depth", "2")
    assert done.exit_code == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0].startswith("minilm  22.6 M parameters · ")
    assert (
        "├── ● word  embedding · vocab 30522 · dim 384 · 11.7 M parameters  → [batch, seq, 384]  ← input_ids" in lines
    )
    assert any(line.startswith("├── ▼ encoder ×6  stack of layer · 10.6 M parameters · ") for line in lines)
    assert "│   ├── ● add1  add  → [batch, seq, 384]  ← attn, x" in lines
    assert any(line.endswith("← x, attention_mask as mask") for line in lines)


def test_a_tree_tells_an_outer_box_from_an_inner_one_of_the_same_name() -> None:
    lines = show(SPECS / "t5.yaml", "--tree", "--depth", "3").stdout.splitlines()
    cross = next(line for line in lines if "● cross" in line)
    assert cross.rstrip().endswith("← norm2, outer drop2 as context, attention_mask as mask")
    assert any(line.rstrip().endswith("← drop2, add1") for line in lines)  # those of the block itself


def test_a_tree_has_every_box_once() -> None:
    picture = compose(check_spec(SPECS / "ensemble.yaml").typed, 3)
    lines = show(SPECS / "ensemble.yaml", "--tree", "--depth", "3").stdout.splitlines()
    assert len(lines) == 1 + len(list(walk(picture.parts)))


def test_error_a_tree_is_for_the_screen(tmp_path: Path) -> None:
    done = show(SPECS / "seed.mmd", "--tree", "-o", tmp_path / "x.svg")
    assert done.exit_code == 2
    assert "--tree and --mermaid are for the screen" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
@pytest.mark.parametrize(
    ("option", "begins"), [([], "seed  413 k"), (["--mermaid"], "---"), (["--tree"], "seed  413 k")]
)
def test_a_screen_gets_a_tree_unless_asked_otherwise(option: list[str], begins: str) -> None:
    import pty

    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "stackc", "show", str(SPECS / "seed.mmd"), *option]
    environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120"}
    process = subprocess.Popen(arguments, stdout=theirs, env=environment)
    os.close(theirs)
    shown = os.read(ours, 20)
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while os.read(ours, 1 << 16):
            pass
    os.close(ours)
    assert process.wait() == 0
    assert shown.decode(errors="ignore").startswith(begins)
