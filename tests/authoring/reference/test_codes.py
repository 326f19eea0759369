"""`stackc explain`: every code that can be raised has its page, and the examples behave as stated."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import stackc
from stackc.authoring.reference.codes import CodePage, code_pages
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source

PACKAGE = Path(stackc.__file__).parent
DESIGN = Path(__file__).parents[3] / "compiler" / "DESIGN.md"
PAGES = code_pages()
SHOWN = [page for page in PAGES.values() if page.wrong]


def raised() -> set[str]:
    """Return every code in the source of the package."""
    sources = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    return {code for source in sources for code in re.findall(r'"([A-Z]\d{3})"', source)}


def test_every_code_has_a_page_and_no_page_is_left_over() -> None:
    assert set(PAGES) == raised()


def test_codes_that_a_spec_can_show_are_shown() -> None:
    unseen = {code for code in PAGES if code[0] in "SXNT"} - {page.code for page in SHOWN}
    assert unseen == {
        "S003",
        "S009",
        "S011",
        "S012",
        "S013",
        "S113",
        "T210",
        "T211",
        "X004",
        "X005",
        "X006",
    }  # sizes, files, code, commands


@pytest.mark.parametrize(
    "document", [PACKAGE / "authoring" / "reference" / "codes.md", DESIGN], ids=lambda path: path.name
)
def test_the_letters_of_codes_are_explained(document: Path) -> None:
    """Where the documents list them: `S the text, …`, up to the full stop."""
    (listed,) = re.findall(r"S the text,[^.]*", document.read_text(encoding="utf-8"))
    assert set(re.findall(r"(?:^|,\s+)([A-Z]) ", listed)) == {code[0] for code in PAGES}


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.code)
def test_the_page_says_something(page: CodePage) -> None:
    assert page.text.endswith(".")
    assert "```" not in page.text
    assert (page.wrong is None) == (page.right is None)


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.code)
def test_the_wrong_example_is_wrong_and_the_right_one_right(page: CodePage) -> None:
    assert page.wrong is not None
    assert page.right is not None
    with pytest.raises(SpecError) as failure:
        check_source(Source(page.wrong.file, page.wrong.text))
    assert {d.code for d in failure.value.diagnostics} == {page.code}
    check_source(Source(page.right.file, page.right.text))


def test_the_command() -> None:
    page = CliRunner().invoke(cli, ["explain", "n306"]).output
    assert page.startswith("N306 Several arrows into one port\n\nSeveral arrows enter one port")
    assert "write instead\n\n    stackc: 1\n" in page
    assert "    nodes: {norm: {merge: sum}}\n" in page

    listed = CliRunner().invoke(cli, ["explain"]).output.splitlines()
    assert listed[0] == "S001  The text is not valid YAML"
    assert len(listed) == len(PAGES)
    assert json.loads(CliRunner().invoke(cli, ["explain", "T202", "--json"]).output)["code"] == "T202"


def test_a_code_that_is_none() -> None:
    done = CliRunner().invoke(cli, ["explain", "N399"])
    assert done.exit_code == 2
    assert "no diagnostic has the code 'N399'" in done.output
