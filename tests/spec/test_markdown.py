"""Fenced blocks of a Markdown file are specs, and errors in them point to the line of the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stackc.core.diagnostics import Span, SpecError
from stackc.frontend import check_spec
from stackc.spec.reader import parse
from stackc.spec.source import Source, load_source
from stackc.spec.writer import convert_syntax

README = """\
# Models

1. The first:

   ```mermaid
   ---
   stackc: 1
   name: listed
   inputs: {x: {shape: [batch, 8]}}
   nodes: {b: {out: 8}}
   ---
   graph LR
     x --> b[linear] --> c["two
       lines"]
   ```

> ~~~YAML title="spec"
> # quoted
> stackc: 1
> name: 'quoted'   # so
> inputs: {x: {shape: [batch, 8]}}
> graph: |
>   x --> relu
>
>   relu --> y[gelu]
> ~~~

<!--
```yaml
stackc: 1
name: commented
```
-->

````md
```yaml
stackc: 1
name: shown
```
````

```mermaid
graph LR
  stackc --> b
```

```yaml
other: {stackc: 1}
```
"""


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(README, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "spans"),
    [
        ("listed", {"x": (13, 6, 7), "b": (13, 12, 13), "c": (13, 26, 27)}),
        ("quoted", {"x": (23, 5, 6), "relu": (23, 11, 15), "y": (25, 14, 15)}),
    ],
)
def test_spans_are_those_of_the_file(name: str, spans: dict[str, tuple[int, int, int]], readme: Path) -> None:
    document = parse(load_source(readme.with_name(f"README.md#{name}")))
    assert document.name == name
    assert document.file == str(readme)
    file = str(readme)
    assert {id: node.span for id, node in document.body.drawing.nodes.items()} == {
        id: Span(file, *span) for id, span in spans.items()
    }


def test_it_equals_the_spec_in_a_file_of_its_own(readme: Path) -> None:
    block = README.split("```mermaid\n")[1].split("   ```")[0].replace("\n   ", "\n").removeprefix("   ")
    assert parse(load_source(readme.with_name("README.md#listed"))) == parse(Source("listed.mmd", block))


def test_it_is_written_without_the_indent(readme: Path) -> None:
    written = convert_syntax(load_source(readme.with_name("README.md#quoted")), "mermaid")
    assert written == (
        "---\n# quoted\nstackc: 1\nname: 'quoted'   # so\ninputs: {x: {shape: [batch, 8]}}\n---\n"
        "flowchart\nx --> relu\n\nrelu --> y[gelu]\n"
    )


def test_the_only_spec_needs_no_name(tmp_path: Path) -> None:
    path = tmp_path / "Model.MD"
    path.write_bytes(b"\xef\xbb\xbf```yml\r\n---\r\nstackc: 1\r\ninputs: {x: {shape: [8]}}\r\ngraph: x --> relu\r\n```")
    checked = check_spec(path)
    assert checked.document.name == "Model"
    assert checked.document.inputs["x"].span.line == 4


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("", "contains 2 specs: choose one", "write {}#NAME; its specs are listed (line 6), quoted (line 18)"),
        ("#", "contains no spec called ''", "it contains listed (line 6), quoted (line 18)"),
        ("#lsited", "contains no spec called 'lsited'", "did you mean 'listed'?"),
        ("#shown", "contains no spec called 'shown'", "it contains listed (line 6), quoted (line 18)"),
    ],
)
def test_error_which_spec(name: str, message: str, hint: str, readme: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_source(readme.with_name(f"README.md{name}"))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("S009", f"{readme} {message}")
    assert diagnostic.hint == hint.format(readme)


def test_error_no_spec(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Nothing\n\n    ```yaml\n    stackc: 1\n    ```\n")
    with pytest.raises(SpecError, match=r"contains no spec$"):
        load_source(tmp_path / "a.md")
    with pytest.raises(SpecError, match="no spec at "):
        load_source(tmp_path / "b.md#name")


def test_error_two_of_one_name(tmp_path: Path) -> None:
    block = "```yaml\nstackc: 1\nname: a\n```\n"
    (tmp_path / "a.md").write_text(block + block)
    with pytest.raises(SpecError, match="contains two specs called 'a'") as caught:
        load_source(tmp_path / "a.md#a")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span == Span(str(tmp_path / "a.md"), 6)
    assert diagnostic.notes[0].span == Span(str(tmp_path / "a.md"), 2)


def test_check_shows_the_line_of_the_file(readme: Path) -> None:
    readme.write_text(README.replace("b[linear]", "b[linaer]"), encoding="utf-8")
    command = [sys.executable, "-m", "stackc", "check"]
    done = subprocess.run(
        [*command, "README.md#listed"], capture_output=True, text=True, check=False, cwd=readme.parent
    )
    assert done.returncode == 1
    assert '--> README.md:13:12\n   |\n13 |      x --> b[linaer] --> c["two\n   |            ^' in done.stderr
    done = subprocess.run(
        [*command, "README.md#quoted"], capture_output=True, text=True, check=False, cwd=readme.parent
    )
    assert done.returncode == 0
    assert done.stdout.startswith("quoted: OK\n  in   x: float32[batch, 8]\n")
