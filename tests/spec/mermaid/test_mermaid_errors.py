"""Every problem of a diagram is reported with its span, its code, its whole message and a hint."""

import pytest

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.spec.mermaid.mermaid_reader import read_drawing


def problems(text: str, *, header: bool = False) -> tuple[Diagnostic, ...]:
    with pytest.raises(SpecError) as caught:
        read_drawing(text, file="x.mmd", header=header)
    return caught.value.diagnostics


def described(diagnostic: Diagnostic) -> str:
    assert diagnostic.span is not None
    span = diagnostic.span
    return f"{span.line}:{span.column}-{span.end} {diagnostic.code} {diagnostic.message} | {diagnostic.hint}"


ARROW = "write `-->`, or with a text `-- text -->` or `-->|text|`"
PIPED = 'write the text of an arrow as `|text|`, or in quotes if it has brackets: `|"text"|`'
BETWEEN = "connect two nodes with an arrow, `a --> b`, and write a label in brackets, `a[label]`"
COMMENT = "write a comment as `%% text`, on its own line"
SOURCE = "write a node before it; a node called 'o' or 'x' needs a space before its arrow"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph XY\na", "1:1-9 S101 invalid header of a flowchart | write `graph LR`, then the arrows below it"),
        ("a --> b %% c", f"1:9-10 S102 a comment must have its own line, and a text | {COMMENT}"),
        ("a -> b", "1:3-5 S102 '->' is not an arrow in Mermaid | write `-->`"),
        ("a → b", "1:3-4 S102 '→' is not an arrow in Mermaid | write `-->`"),
        ("a [x]", "1:3-4 S102 unexpected space between a node and its label | write the bracket directly after the id"),
        ("a b", f"1:3-4 S102 missing arrow before 'b' | {BETWEEN}"),
        ("a[x] bc[y] --> d", f"1:6-8 S102 missing arrow before 'bc' | {BETWEEN}"),
        ("# a --> b", f"1:1-2 S102 '#' does not begin a comment | {COMMENT}"),
        ("//a", f"1:1-3 S102 '//' does not begin a comment | {COMMENT}"),
        ("a --> b # c; d", f"1:9-10 S102 '#' does not begin a comment | {COMMENT}"),
        ("a --> b[x] // c", f"1:12-14 S102 '//' does not begin a comment | {COMMENT}"),
        ("a ——> b", "1:3-6 S102 '——>' is not an arrow in Mermaid | write `-->`"),
        ("a–>b", "1:2-4 S102 '–>' is not an arrow in Mermaid | write `-->`"),
        ("a －－＞ b", "1:3-6 S102 '－－＞' is not an arrow in Mermaid | write `-->`"),
        ("a[x]；b", "1:5-6 S102 unexpected '；' (U+FF1B) | write `;`"),
        ("a &b", "1:3-4 S102 unexpected '&' | write ` & ` with spaces between two nodes, or an arrow"),
        ("a & --> b", "1:3-4 S102 missing node after `&` | None"),
        ('"a" --> b', '1:1-2 S102 unexpected \'"\' | an id has no quotes; a label may have them: `a["label"]`'),
        (
            'a["direction LR"]',
            "1:1-16 S102 Mermaid reads this whole line as the direction of a subgraph"
            " | separate 'direction' from the 'LR' (or the like) after it",
        ),
        (
            "subgraph a\ndirection TB; b\nend",
            "2:13-16 S102 Mermaid ignores text after a direction on the same line | write it on the next line",
        ),
        ("a[open --> b\nb[x] --> c", "1:2-3 S103 '[' is never closed | write `]` after the label"),
        ('a["open --> b', "1:3-4 S103 this quote is never closed | write the closing quote"),
        ("a@{ shape: circle", "1:2-4 S103 '@{' is never closed | write `}`"),
        (
            "a{f(x)} --> b",
            "1:4-5 S104 '(' is not allowed in this label without quotes"
            ' | put the whole label in quotes inside the brackets: `{"…"}`',
        ),
        ("a(x] --> b", "1:4-5 S104 '(' is not closed by its `)` | write `)`, or the label in quotes"),
        ("a[] --> b", '1:2-4 S104 an empty label | remove the brackets, or write `" "`'),
        ('a[""] --> b', '1:2-3 S104 an empty label | remove the brackets, or write `" "`'),
        (
            "a[mail@x]",
            "1:7-8 S104 Mermaid reads the text before '@' as the id of an arrow | put the label in quotes",
        ),
        ("a --> ; b --> c", "1:3-6 S105 this arrow has no target | write a node after it"),
        ("subgraph s\na -->\nend", "2:3-6 S105 this arrow has no target | write a node after it"),
        ("  --> b", f"1:3-6 S105 this arrow has no source | {SOURCE}"),
        ("o--> b", f"1:1-5 S105 this arrow has no source | {SOURCE}"),
        (
            "b --> s\nsubgraph s\na\nend",
            "1:3-6 S106 an arrow to the subgraph 's' | an arrow connects two nodes: name a node inside the subgraph",
        ),
        ("a --- b", "1:3-6 S107 data cannot follow '---': it has no arrowhead | write `-->`"),
        (
            "a <-.-> b",
            "1:3-8 S107 data flows one way, but '<-.->' points both ways | write `-->`, and a second arrow back",
        ),
        (
            "a ---oats",
            "1:3-7 S107 data cannot follow '---o': it ends in 'o'"
            " | write `-->`; put a space before a text or node that begins with 'o'",
        ),
        (
            "a --info--> b",
            "1:3-12 S107 Mermaid reads the 'o' of 'o-->' as a tail"
            " | write `-->`; put a space after a text that ends in this letter",
        ),
        (
            "a[x] --> b\nb --> a[y]",
            "2:8-11 S108 'a' has two labels, 'x' and 'y' | write the label once: Mermaid would draw the later one",
        ),
        ("a\nend", "2:1-4 S109 `end` without a subgraph | `end` closes a subgraph; call a node `end_` instead"),
        ("subgraph s\na", "1:1-11 S109 this subgraph has no `end` | write `end` after its last line"),
        (
            "subgraph a b [c]\nend",
            "1:1-14 S109 a subgraph needs an id of one word | for example `subgraph encoder[The encoder]`",
        ),
        ("subgraph s\nend\nsubgraph s\nend", "3:1-11 S109 two subgraphs are called 's' | None"),
        ("subgraph s\ns\nend", "1:1-11 S109 the subgraph 's' is inside itself | None"),
        (
            "subgraph the end\na\nend",
            "1:1-17 S110 Mermaid continues a title that ends in 'end' on the next line | put the title in quotes",
        ),
        ("C｛子模型1｝ --> a", "1:1-8 S110 Mermaid cannot read '｛' (U+FF5B) | write `C{子模型1}`"),
        ("a【relu】", "1:1-8 S110 Mermaid cannot read '【' (U+3010) | write `a[relu]`"),
        ("relu\u0301", "1:1-6 S110 Mermaid cannot read U+0301 in an id | use it as the label: `node[relu\u0301]`"),
        (
            "a <-- b",
            "1:3-6 S107 '<--' points backwards, but data flows from left to right"
            " | reverse the arrow: `b --> a` for `a <-- b`",
        ),
        (
            "a&b --> c",
            "1:1-4 S110 Mermaid reads 'a&b' as a single id | write several nodes with spaces between them: `A & B`",
        ),
        (
            "end-point --> a",
            "1:1-10 S110 Mermaid reads the keyword 'end' in the id 'end-point' | rename it to 'end_point'",
        ),
        ("模型end --> a", "1:1-6 S110 Mermaid reads the keyword 'end' in the id '模型end' | rename it to '模型end_'"),
        ("模型o--> a", "1:1-4 S110 Mermaid reads 'o' as the tail of the arrow | put a space before the arrow"),
        ("हिन्दी --> a", "1:1-7 S110 Mermaid cannot read U+093F in an id | use it as the label: `node[हिन्दी]`"),
        (
            "a -- b\nc --> d",
            f"1:3-5 S111 '--' begins the text of an arrow, but no arrow follows on this line | {ARROW}",
        ),
        ("a -->|f(x)| b", f"1:6-8 S111 invalid text of an arrow | {PIPED}"),
        ("a -->|x:y:z| b", "1:3-13 S111 the text 'x:y:z' names more than two ports | write `|in|`, or `|out:in|`"),
        ("a@{ shape: circl }", "1:2-19 S112 Mermaid has no shape called 'circl' | did you mean 'circle'?"),
    ],
)
def test_error(text: str, message: str) -> None:
    assert [described(problem) for problem in problems(text)] == [message]


@pytest.mark.parametrize("text", ["a --> b", "gantt --> b", "futureDiagram\na->>b: hi"])
def test_error_header_missing(text: str) -> None:
    (problem,) = problems(text, header=True)
    assert problem.code == "S101"
    assert problem.message == "missing header of the flowchart"


@pytest.mark.parametrize(
    "kind",
    ["sequenceDiagram", "classDiagram", "classDiagram-v2", "stateDiagram-v2", "erDiagram", "gantt", "pie", "journey",
     "gitGraph", "mindmap", "timeline", "kanban", "quadrantChart", "xychart-beta", "block-beta", "C4Context",
     "radar-beta"],
)  # fmt: skip
def test_error_diagram_of_another_kind(kind: str) -> None:
    (problem,) = problems(f"{kind}\n  a->>b: hi\n  title [(", header=True)
    hint = "draw the model as a flowchart: `graph LR`, then the arrows below it"
    assert described(problem) == f"1:1-{len(kind) + 1} S101 unsupported kind of diagram: {kind} | {hint}"


def test_error_misspelt_header() -> None:
    (problem,) = problems("grahp LR\na --> b", header=True)
    assert described(problem) == "1:1-6 S101 invalid header of a flowchart | did you mean 'graph'?"


def test_error_properties_are_no_yaml() -> None:
    (problem,) = problems("a@{ shape: [ }")
    assert problem.code == "S112"
    assert problem.message.startswith("invalid properties: ")


@pytest.mark.parametrize("word", ["end", "style", "click", "class", "classDef", "linkStyle", "subgraph", "graph"])
def test_error_a_node_has_the_name_of_a_statement(word: str) -> None:
    (problem,) = problems(f"a --> b\n{word} --> a")
    message = f"'{word}' is not a valid name for a node: Mermaid reserves it | rename it to '{word}_'"
    assert described(problem) == f"2:1-{1 + len(word)} S008 {message}"


def test_error_two_labels_point_at_the_first() -> None:
    (problem,) = problems("a[x] --> b\na[y]")
    assert [(note.message, note.span.line, note.span.column) for note in problem.notes] == [("the first label", 1, 2)]


def test_all_errors_come_together_in_the_order_of_the_text() -> None:
    lines = [
        "a --> b",
        "b -> c",
        "c[f(x)] --> d",
        "d --> ; e --- f",
        "subgraph s",
        "e --> f.g",
        "end",
        "g --> s",
        "h --> i",
    ]
    text = "\n".join(lines)
    assert [(problem.span and problem.span.line, problem.code) for problem in problems(text)] == [
        (2, "S102"), (3, "S104"), (4, "S105"), (4, "S107"), (6, "S008"), (8, "S106"),
    ]  # fmt: skip


def test_error_too_many_arrows() -> None:
    many = " & ".join(f"n{i}" for i in range(1_000))
    assert described(problems(f"{many} --> {many}")[0]).endswith("S113 a drawing has at most 250,000 arrows | None")


def test_error_subgraphs_too_deep() -> None:
    text = "\n".join([*(f"subgraph s{i}" for i in range(65)), *["end"] * 65])
    assert [described(problem) for problem in problems(text)] == [
        "65:1-13 S113 subgraphs are nested deeper than 64 levels | None"
    ]
