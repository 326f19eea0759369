"""Every help of a bad spec that proposes a text is followed: the message is gone, and the model is that of its twin.

The twin, NAME.right.yaml beside the bad spec, is what a person would have written; tests/test_followed_helps.py has
helps of weights and of whole families of specs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked, check_source
from stackc.ir.printer import print_program
from stackc.spec.source import Source

FOLDER = Path(__file__).parent / "bad_specs"
TWINS = sorted(path for path in FOLDER.iterdir() if ".right." in path.name)
TESTED = {path.name.replace(".right", "") for path in TWINS}


def only_diagnostic(path: Path, text: str) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        check_source(Source(path.name, text))
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def proposals(hint: str) -> list[str]:
    """The texts that a help proposes: in backticks and complete, or as the name that was meant."""
    meant = re.findall(r"(?:did you mean|rename it to|for example to) '([^']+)'", hint)
    return (
        meant
        or [*re.findall(r"^remove `[\w-]+", hint)]
        or [shown for shown in re.findall(r"`([^`]+)`", hint) if "…" not in shown]
    )


def followed(diagnostic: Diagnostic, text: str) -> Iterator[str]:
    """The spec with each proposal in the places that the help can mean, the marked one first."""
    span, lines = diagnostic.span, text.split("\n")
    assert span is not None
    number, start, end = span.line - 1, span.column - 1, max(span.column, span.end - 1)

    def with_line(line: str, at: int = number) -> str:
        return "\n".join([*lines[:at], line, *lines[at + 1 :]])

    for shown in proposals(diagnostic.hint or ""):
        line = lines[number]
        before, marked, after = line[:start], line[start:end], line[end:]
        if node := re.fullmatch(r"(\w+)\[\w+\]", shown):
            yield with_line(re.sub(rf"\b{node[1]}\[[^\]]*\]", shown, line))
        for label in re.findall(r"\((\w+)\)", diagnostic.message):
            yield with_line(line.replace(f"[{label}]", f"[{shown}]"))
        named = re.findall(r"\((\w+)\)", diagnostic.message) + re.findall(r"'([^' ]+)'", diagnostic.message)
        for wrong in named:
            if wrong in marked:
                yield with_line(before + marked.replace(wrong, shown, 1) + after)
                if re.fullmatch(r"[\w-]+", shown):  # a new name, wherever the old one stands
                    yield re.sub(rf"(?<![\w-]){re.escape(wrong)}(?![\w-])", shown, text)
        yield with_line(before + shown + after)
        yield with_line(line[: len(line) - len(line.lstrip())] + shown)
        yield with_line(before + re.sub(r"[\w-]+: [^,}\n]+", literal(shown), line[start:], count=1))
        yield text.replace("{shape:", f"{{{shown}, shape:")
        if arrow := re.fullmatch(r"(\S+) -->(?:\|.*\|)? (\S+)", shown):
            for at, other in enumerate(lines):
                yield with_line(other.replace(f"{arrow[1]} --> {arrow[2]}", shown), at)
            yield text.replace("graph: |\n", f"graph: |\n  {shown}\n")
            yield re.sub(r"^graph: (?!\|)(.*)$", rf"graph: \1; {shown}", text, flags=re.MULTILINE)
        if pair := re.fullmatch(r"([\w-]+): .+", shown):
            written = rf"(?<![\w-]){re.escape(pair[1])}:? *(\[[^\]]*\]|\{{(?:[^{{}}]|\{{[^}}]*\}})*\}}|[^,}}\n]+)"
            for at in (number, *range(len(lines))):
                yield with_line(re.sub(written, literal(shown), lines[at], count=1), at)
            yield with_line(line.replace("{", f"{{{shown}, ", 1))
            yield with_line(re.sub(r"\}", f", {shown}}}", line, count=1))
            for at, other in enumerate(lines):
                yield with_line(other.replace("{", f"{{{shown}, ", 1), at)
            yield f"{text.rstrip()}\n{shown}\n"
            yield f"{shown}\n{text}"
            yield f"{text.rstrip()}\nnodes: {{{shown}}}\n"
            yield text.replace("nodes: {", f"nodes: {{{shown}, ")
            yield text.replace("nodes:\n", f"nodes:\n  {shown}\n")
            if entry := re.fullmatch(r"([\w-]+): \{(.+)\}", shown):  # a field of an entry that is there
                yield text.replace(f"{entry[1]}: {{", f"{entry[1]}: {{{entry[2]}, ")
        yield with_line(before + marked + shown + after)
        yield "\n".join([*lines[:number], shown, *lines[number:]])
        yield f"{text.rstrip()}\n{shown}\n"
        yield with_line(re.sub(r"\|[^|]*\|", literal(shown), line, count=1))
    if removed := re.match(r"remove `([\w-]+)(: \w+)?`", diagnostic.hint or ""):
        for line in lines:
            yield text.replace(line, re.sub(rf"(, )?{removed[1]}: [\w.]+(?(1)|(, )?)", "", line))


def literal(text: str) -> Callable[[re.Match[str]], str]:
    """A replacement for re.sub in which no backslash is read."""
    return lambda _: text


def checked_after(path: Path) -> tuple[str, Checked] | None:
    """The first text that follows the help and is a sound spec; None if there is none."""
    text = path.read_text(encoding="utf-8")
    diagnostic = only_diagnostic(path, text)
    if diagnostic.span is None or not proposals(diagnostic.hint or ""):
        return None
    for candidate in dict.fromkeys(followed(diagnostic, text)):
        if candidate == text:
            continue
        try:
            return candidate, check_source(Source(path.name, candidate))
        except SpecError:
            continue
    return None


NOT_FOLLOWED = {
    "a choice of its own, which the help cannot make": (
        "N301_undeclared_input", "N301_unknown_label", "N304_same_as_a_later_node", "N304_same_as_itself",
        "N310_norm_every_beyond_the_stack", "N310_outputs_of_a_class", "N310_reparametrization_of_a_stack",
        "N310_word_of_another_library", "N311_stack_of_nothing", "N302_entry_of_an_input", "N313_which_output",
        "S005_size_below_one", "S005_values_of_a_float", "S111_text_without_end", "S111_three_ports", "T204_which_axis",
        "T208_rotary_with_context", "S005_list_for_a_default",
    ),
    "it explains a key or a form; the text is an example": (
        "X001_calls_a_function", "X001_no_expression", "L302_assertion_without_train",
        "N310_norm_every_of_a_sum", "S001_key_without_colon", "S001_star_for_a_size", "S001_unknown_alias",
        "S005_list_for_a_drawing", "S005_list_for_a_mapping", "S005_output_without_its_value", "S006_empty_file",
        "S006_no_arrows", "S006_no_inputs",
        "S101_other_diagram", "S102_comment_of_another_language", "S102_no_arrow_between",
    ),
    "it moves or rewrites several lines": (
        "N301_label_for_an_id", "N302_input_drawn_as_a_component", "S001_comma_in_an_expression",
        "S001_list_in_round_brackets", "S001_two_documents", "S005_inputs_of_a_block_in_one_text",
        "S010_front_matter_without_end", "S010_no_front_matter", "S107_backwards", "S001_tag",
    ),
    "it asks for a component before another, as tests/test_followed_helps.py does": (
        "T203_ids_into_a_linear", "T203_whole_numbers_in_arithmetic",
    ),
    "it needs a module of the user's": (
        "N311_torch_without_a_class", "N316_code_not_trusted", "N317_class_without_a_module",
    ),
    "tests/test_followed_helps.py follows it": ("T201_features_on_the_last_axis", "T201_same_with_an_even_kernel"),
}  # fmt: skip
"""Bad specs whose help shows a text that is not followed here, by reason: lists that can only get shorter."""

BAD_SPECS = sorted(path for path in FOLDER.iterdir() if path.suffix in (".yaml", ".mmd") and ".right." not in path.name)


@pytest.mark.parametrize("twin", TWINS, ids=lambda path: path.name)
def test_a_help_that_is_followed_gives_the_model_that_was_meant(twin: Path) -> None:
    result = checked_after(twin.with_name(twin.name.replace(".right", "")))
    assert result is not None, "no text that the help proposes makes the spec sound"
    assert model(result[1]) == model(check_source(Source(twin.name, twin.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", BAD_SPECS, ids=lambda path: path.name)
def test_every_help_that_proposes_a_text_is_followed(path: Path) -> None:
    hint = only_diagnostic(path, path.read_text(encoding="utf-8")).hint
    excepted = [name for names in NOT_FOLLOWED.values() for name in names]
    proposes = bool(proposals(hint or ""))
    assert (path.name in TESTED, path.stem in excepted) in (
        [(True, False), (False, True)] if proposes else [(False, False)]
    )


def model(checked: Checked) -> str:
    """The typed program without places in the text."""
    printed = print_program(replace(checked.program, name="model"))
    return "\n".join(line.partition("//")[0].rstrip() for line in printed.splitlines())
