"""Text → template: a recursive descent over the grammar.

    sum      product (" + " | " - ") product …
    product  factor (" * " | " / ") factor …
    factor   tensor, number, `zeros(…)`, `ones(…)`, `cat(a, b, axis=0)`, `stack(…)`, or a sum in parentheses; then any
             number of `.T`, `[…]`, `.reshape(…)` and the other methods

Names of tensors may contain any character but spaces, brackets, commas and quotes, so operators stand between spaces;
any other name is written in quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stackc.core.diagnostics import Diagnostic, Span, SpecError, did_you_mean
from stackc.core.types import FLOATS
from stackc.spec.expressions.expressions import span_of_part
from stackc.weights.tensor_expressions.template import (
    ApplyTemplate,
    FillTemplate,
    NameTemplate,
    NumberTemplate,
    Template,
    TextPart,
)

LONGEST_EXPRESSION = 1000
DEEPEST = 50

METHODS = {
    "reshape": (1, 12), "permute": (1, 12), "swapaxes": (2, 2), "squeeze": (0, 1), "unsqueeze": (1, 1), "flip": (1, 1),
    "to": (1, 1),
}  # fmt: skip
"""The methods of tensors, each with the fewest and the most arguments."""

FUNCTIONS_OF_TENSORS = ("cat", "stack", "zeros", "ones")
CASTS = (*FLOATS, "int64", "int32", "int8", "uint8")
_OTHER_WORDS = {
    "view": "reshape", "t": "T", "astype": "to", "type": "to", "concat": "cat",
    "concatenate": "cat", "hstack": "cat", "vstack": "cat", "expand_dims": "unsqueeze", "movedim": "permute",
    "moveaxis": "permute", "flatten": "reshape", "ravel": "reshape", "zeros_like": "zeros", "ones_like": "ones",
    "chunk": "[1/3]", "split": "[1/3]", "rows": "[a:b]", "float": "to", "half": "to", "flipud": "flip",
}  # fmt: skip
_WORD = re.compile(r"""(?:\{[^{}]*\}|[^\s()\[\],'"{}])+""")
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_OPERATOR = re.compile(r"\s+([-+*/])(?=\s)\s*")
_CLOSING = {"(": ")", "[": "]"}


def parse_expression(text: str, span: Span) -> Template:
    """Return the template of an entry's text at `span`. Raises SpecError (W807) with the place of the mistake."""
    parser = _Parser(text, span)
    if len(text) > LONGEST_EXPRESSION:
        raise parser.problem(f"it has more than {LONGEST_EXPRESSION} characters", 0, len(text))
    template = parser.sum(0)
    parser.skip_spaces()
    if parser.at < len(text):
        hint = "a name with special characters stands in quotes; operators stand between spaces"
        raise parser.problem(f"nothing was expected at '{text[parser.at :][:20]}'", parser.at, len(text), hint)
    return template


@dataclass
class _Parser:
    """Reads the text from `at` on."""

    text: str
    span: Span
    at: int = 0

    def problem(self, reason: str, start: int, end: int, hint: str | None = None) -> SpecError:
        """Return the error of a part of the text."""
        message = f"'{self.text[:80]}' is not an expression over tensors: {reason}"
        return SpecError(Diagnostic("W807", message, span_of_part(self.span, self.text, start, end), hint))

    def skip_spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    # -- the grammar

    def sum(self, depth: int) -> Template:
        """Read terms of + and -."""
        if depth > DEEPEST:
            raise self.problem("it is nested too deep", 0, len(self.text))
        left = self.product(depth)
        while symbol := self.operator("+-"):
            left = ApplyTemplate(symbol, (), (left, self.product(depth)))
        return left

    def product(self, depth: int) -> Template:
        """Read factors of * and /."""
        left = self.factor(depth)
        while symbol := self.operator("*/"):
            left = ApplyTemplate(symbol, (), (left, self.factor(depth)))
        return left

    def operator(self, symbols: str) -> str | None:
        """Read one of the operators, which stand between spaces; None if another thing follows."""
        match = _OPERATOR.match(self.text, self.at)
        if match is None or match[1] not in symbols:
            return None
        self.at = match.end()
        return match[1]

    def factor(self, depth: int) -> Template:
        """Read a value and what is done with it."""
        self.skip_spaces()
        start = self.at
        following = self.text[start : start + 1]
        if following == "(":
            self.at += 1
            value = self.sum(depth + 1)
            self.expect(")", start)
        elif following in ("'", '"') and following:
            value = self.quoted()
        elif match := _WORD.match(self.text, start):
            value = self.word(match, depth)
        else:
            raise self.problem("a tensor is missing", start, start + 1, "write a name of the file")
        return self.postfixed(value)

    def quoted(self) -> Template:
        """Read a name in quotes."""
        end = self.text.find(self.text[self.at], self.at + 1)
        if end < 0:
            raise self.problem("a quote is not closed", self.at, len(self.text))
        snippet = TextPart(self.text[self.at + 1 : end], self.at + 1)
        self.at = end + 1
        return NameTemplate(snippet)

    def word(self, match: re.Match[str], depth: int) -> Template:
        """Read a name, a number or a call."""
        word, start = match[0], self.at
        self.at = match.end()
        is_call = self.text[self.at : self.at + 1] == "("
        if _NUMBER.fullmatch(word) or re.fullmatch(r"\{[^{}]*\}", word):
            return NumberTemplate(TextPart(word, start))

        parts = re.split(r"\.(?![^{}]*\})", word)
        if is_call and len(parts) == 1:
            return self.function(word, start, depth)

        # `.T` and the method of a call end the name
        count = len(parts) - is_call
        while count > 1 and parts[count - 1] == "T":
            count -= 1
        value: Template = NameTemplate(TextPart(".".join(parts[:count]), start))
        return self.members(value, parts[count:], is_call=is_call)

    def members(self, value: Template, parts: list[str], *, is_call: bool) -> Template:
        """Apply `.T`, and the method at the end of a call."""
        for number, part in enumerate(parts):
            if is_call and number == len(parts) - 1:
                value = self.method(value, part)
            elif part == "T":
                value = ApplyTemplate("T", (), (value,))
            else:
                end = self.at
                raise self.problem(f"'.{part}' is not a method", end - len(part), end, _method_hint(part))
        return value

    def postfixed(self, value: Template) -> Template:
        """Read what follows a value: `[…]`, `.T`, `.method(…)`."""
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                value = ApplyTemplate("[]", self.snippets(), (value,))
            elif match := re.compile(r"(?:\.\w+)+").match(self.text, self.at):
                self.at = match.end()
                is_call = self.text[self.at : self.at + 1] == "("
                value = self.members(value, match[0][1:].split("."), is_call=is_call)
            else:
                break
        return value

    # -- calls

    def method(self, value: Template, name: str) -> Template:
        """Read the arguments of a method. Raises SpecError if there is no such method, or for their number."""
        start = self.at - len(name)
        if name not in METHODS:
            raise self.problem(f"tensors have no method '{name}'", start, self.at, _method_hint(name))
        arguments = self.snippets()
        fewest, most = METHODS[name]
        if not fewest <= len(arguments) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise self.problem(f"'{name}' takes {wanted} arguments, not {len(arguments)}", start, self.at)
        if name == "to" and arguments[0].text.strip() not in CASTS:
            hint = f"write one of {', '.join(CASTS)}"
            raise self.problem(f"'{arguments[0].text.strip()}' is not an element type", start, self.at, hint)
        return ApplyTemplate(name, arguments, (value,))

    def function(self, name: str, start: int, depth: int) -> Template:
        """Read a call of `cat`, `stack`, `zeros` or `ones`."""
        if name in ("zeros", "ones"):
            return FillTemplate(float(name == "ones"), self.snippets())
        if name not in FUNCTIONS_OF_TENSORS:
            hint = _method_hint(name) or did_you_mean(name, (*FUNCTIONS_OF_TENSORS, *METHODS))
            raise self.problem(f"unknown function '{name}'", start, self.at, hint)

        opened, operands, axis = self.at, list[Template](), TextPart("0", start)
        self.at += 1
        while True:
            self.skip_spaces()
            if keyword := re.compile(r"(?:axis|dim)\s*=\s*([^,()\[\]]+)").match(self.text, self.at):
                axis, self.at = TextPart(keyword[1], keyword.start(1)), keyword.end()
                break
            operands.append(self.sum(depth + 1))
            self.skip_spaces()
            if self.text[self.at : self.at + 1] != ",":
                break
            self.at += 1

        self.expect(")", opened)
        if not operands:
            raise self.problem(f"'{name}' joins tensors", start, self.at, f"write `{name}(a, b, axis=0)`")
        return ApplyTemplate(name, (axis,), tuple(operands))

    def expect(self, closing: str, opened: int) -> None:
        """Read a closing bracket."""
        self.skip_spaces()
        if self.text[self.at : self.at + 1] != closing:
            raise self.problem(f"a '{closing}' is missing", opened, opened + 1)
        self.at += 1

    def snippets(self) -> tuple[TextPart, ...]:
        """Read a list in brackets, separated by commas: sizes or indices."""
        opened, depth, starts = self.at, 0, [self.at + 1]
        for at in range(opened, len(self.text)):
            character = self.text[at]
            if character in "([{":
                depth += 1
            elif character in ")]}":
                depth -= 1
            elif character == "," and depth == 1:
                starts.append(at + 1)
            if depth == 0:
                self.at = at + 1
                ends = [start - 1 for start in starts[1:]] + [at]
                pieces = [TextPart(self.text[a:b], a) for a, b in zip(starts, ends, strict=True)]
                return tuple(pieces) if len(pieces) > 1 or pieces[0].text.strip() else ()
        raise self.problem(f"a '{_CLOSING[self.text[opened]]}' is missing", opened, opened + 1)


def _method_hint(name: str) -> str | None:
    """Name the method that is meant by one of another library, or by a misspelt one."""
    known = ("T", *METHODS)
    if name == "transpose":
        return "`swapaxes` swaps two axes, as PyTorch's transpose does, and `permute` orders all, as NumPy's does"
    if name in _OTHER_WORDS:
        return f"write `{_OTHER_WORDS[name]}`; methods are {', '.join(known)}"
    return did_you_mean(name, known)
