"""A difference as text, Markdown, JSON and a page, from the command and from its functions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.analysis.diff.base import BASE, edited, typed

from stackc.analysis.diff.comparison import compare
from stackc.analysis.diff.report import write_markdown, write_page, write_text
from stackc.cli.diff import command


def test_text() -> None:
    assert write_text(compare(typed(BASE), edited(("b[gelu]", "act[gelu]"), ("repeat: 12", "repeat: 13")))) == """\
test
  parameters   207 k → 224 k  +16.6 k (+8.0 %)
  FLOPs        410 k·batch → 442 k·batch  +32.8 k·batch
  weights      829 kB → 896 kB  +66.3 kB (+8.0 %)
  activations  19.7 k·batch B → 21.2 k·batch B  +1.54 k·batch B

  →  renamed  b → act  gelu   (test.yaml:6)
  +  added    s.12     layer  +16.6 k parameters  (test.yaml:12)
"""  # fmt: skip


def test_markdown_is_two_tables_that_nothing_can_break() -> None:
    text = write_markdown(
        compare(typed(BASE), edited(("b[gelu]", 'b["a|b `c` **d**"]'), ("nodes:\n", "nodes:\n  b: {op: gelu}\n")))
    )
    assert "| parameters | 207 k | 207 k |  |" in text
    assert r"| changed | `b` | `gelu` | `` label: gelu → a\|b `c` **d** `` | `test.yaml:6` |" in text
    assert write_markdown(compare(typed(BASE), typed(BASE))).endswith("\nNo differences.\n")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def specs(tmp_path: Path) -> tuple[Path, Path]:
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    before.write_text(BASE, encoding="utf-8")
    after.write_text(BASE.replace("c: {out: 64}", "c: {out: 64, bias: false}"), encoding="utf-8")
    return before, after


def test_the_command(specs: tuple[Path, Path], tmp_path: Path) -> None:
    last = run(*specs).stdout.splitlines()[-1]
    assert " ".join(last.split()) == f"~ changed c linear bias: true → false; -64 parameters ({specs[1]}:11)"
    assert run(*specs).exit_code == run(specs[0], specs[0]).exit_code == 0
    assert run(*specs, "--markdown").stdout.startswith("### `test`\n")
    facts = json.loads(run(*specs, "--json").stdout)
    assert facts["after"]["parameters"] - facts["before"]["parameters"] == -64
    assert facts["changes"][0]["details"] == ["bias: true → false"]
    assert facts["changes"][0]["at"] == {"before": f"{specs[0]}:11", "after": f"{specs[1]}:11"}
    done = run(*specs, "--html", tmp_path / "diff.html")
    assert done.stdout == f"wrote {tmp_path / 'diff.html'}\n"
    assert (tmp_path / "diff.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_error_a_page_goes_over_no_spec(specs: tuple[Path, Path]) -> None:
    done = run(*specs, "--html", specs[1])
    assert done.exit_code == 2
    assert "must end in .html" in done.stderr
    assert specs[1].read_text(encoding="utf-8").startswith("stackc: 1")


def test_a_page_has_both_pictures_and_marks() -> None:
    before, after = typed(BASE), edited(("b[gelu]", 'b["</script><b>x"]'), ("nodes:\n", "nodes:\n  b: {op: gelu}\n"))
    page = write_page(compare(before, after), (before, {"test.yaml": BASE}), (after, {}))
    assert page.count('<main class="view">') == 2
    assert page.count("</script>") == page.count("<script") == 3
    assert "label: gelu → &lt;/script&gt;&lt;b&gt;x" in page
    assert page.count('"marks": {"b": "changed"}') == 2
