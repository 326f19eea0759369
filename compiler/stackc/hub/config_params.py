"""The params of a spec out of a config: what it maps, what it requires, and nothing that it does not express.

All problems of a config are reported together: H904 for keys that the spec says nothing about, H905 for a value that no
param can have, H906 for one that the spec does not express.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from stackc.core.diagnostics import Collector, Diagnostic, Note, SpecError, closest
from stackc.hub.config import ABSENT, Absent, Json, ModelConfig, json_kind
from stackc.hub.config_keys import COMMON_KEYS, COMMON_REQUIREMENTS
from stackc.spec.document import ConfigParam, Document, HuggingFaceDecl, ParamDecl
from stackc.spec.expressions.expressions import evaluate, interpolate
from stackc.spec.yaml.tree import Entry, Scalar, Value

ParamSetting: TypeAlias = "Scalar | list[ParamSetting]"
"""The value that a config gives a param: a list only for one that takes a list."""

MOST_ENTRIES = 10_000
"""The most entries of a list that a default counts out."""


def params_of_config(document: Document, config: ModelConfig, tensors: Container[str]) -> dict[str, ParamSetting]:
    """Return the value of each param of the spec that its `huggingface` maps; `tensors` are the names in the weights.

    Raises SpecError with everything in the config that the spec does not express (H904, H905, H906).
    """
    assert document.huggingface is not None, "the spec is one of those that implement a config"
    reader = _ConfigReader(document, document.huggingface, config, tensors)
    reader.report_unknown_keys()
    reader.check_requirements()
    params = reader.params()
    reader.diagnostics.raise_if_any()
    return params


@dataclass
class _ConfigReader:
    document: Document
    decl: HuggingFaceDecl
    config: ModelConfig
    tensors: Container[str]
    diagnostics: Collector = field(default_factory=Collector)

    # -- keys

    @cached_property
    def known_keys(self) -> set[str]:
        """The keys that the spec says something about."""
        keys = {*self.decl.requires, *self.decl.ignores}
        for param in self.decl.params.values():
            keys |= {*param.keys, *_names(param.value), *_names(param.default)}
        for entry in self.decl.requires.values():
            keys |= {word for text in entry.value.texts() if "${" in text for word in re.findall(r"\w+", text)}
        return keys

    def report_unknown_keys(self) -> None:
        """Report H904 for all keys at once that the spec says nothing about."""
        anywhere = COMMON_KEYS | COMMON_REQUIREMENTS.keys()
        common = {f"{place}{key}" for place in self.config.places() for key in anywhere}
        unknown = [*self.config.unexplained(self.known_keys | common)]
        if not unknown:
            return

        shown = ", ".join(f"{key} ({_shown(self.config.value(key))})" for key in unknown)
        several = "keys" if len(unknown) > 1 else "a key"
        message = f"{self.config.file} has {several} that {self.document.file} does not express: {shown}"

        hint = (
            "what they mean is not in the spec, so that the model would be another one; without influence on the "
            "outputs of inference, they belong under `huggingface: {ignores: […]}`"
        )
        if meant := closest(unknown[0], self.known_keys):
            hint = f"did you mean '{meant}'?"
        self.diagnostics.error("H904", message, self.config.span(unknown[0]), hint)

    # -- requirements

    def check_requirements(self) -> None:
        """Report H906 for each value that the spec does not express."""
        for key, entry in self.decl.requires.items():
            value = self.config_value(key)
            allowed = [self.constant(each) for each in _alternatives(entry.value)]
            is_each = isinstance(entry.value.data, Mapping)
            if isinstance(value, Absent) or self.is_allowed(value, allowed, each=is_each):
                continue
            wanted = " or ".join(f"{key}: {_shown(each)}" for each in allowed)
            self.report_requirement(key, value, f"{'every entry of ' * is_each}{wanted}", entry)

        for place in self.config.places():
            for name, values in COMMON_REQUIREMENTS.items():
                key = f"{place}{name}"
                value = self.config.value(key)
                if not self.speaks_of(key) and not isinstance(value, Absent) and value not in values:
                    self.report_requirement(key, value, f"{key}: {_shown(values[0])}", None)

    def speaks_of(self, key: str) -> bool:
        """Return whether the spec says something about a key, or one inside of it."""
        return any(f"{known}.".startswith(f"{key}.") for known in self.known_keys)

    def is_allowed(self, value: Json, allowed: list[Json], *, each: bool) -> bool:
        """Return whether a value, or with `each` every entry of a list, is one of those allowed."""
        if not each:
            return any(_same(value, other) for other in allowed)
        return isinstance(value, list) and all(any(_same(entry, other) for other in allowed) for entry in value)

    def report_requirement(self, key: str, value: Json, wanted: str, entry: Entry | None) -> None:
        message = f"{self.config.file} has {key}: {_shown(value)}, but {self.document.file} expresses {wanted} alone"
        notes = (Note("required here", entry.key),) if entry else ()
        hint = "this model needs a spec of its own: begin with that of the zoo, `stackc init --template "
        hint += f"{self.document.file.partition('.')[0]}`, and add what it lacks"
        self.diagnostics.error("H906", message, self.config.span(key), hint, *notes)

    # -- params

    def params(self) -> dict[str, ParamSetting]:
        """Return the values of params, reporting H905 for those that have none."""
        params: dict[str, ParamSetting] = {}
        for name, source in self.decl.params.items():
            try:
                value = self.param(name, source)
            except SpecError as error:
                self.diagnostics.extend(error)
                continue
            if not isinstance(value, Absent):
                params[name] = value
        return params

    def param(self, name: str, source: ConfigParam) -> ParamSetting | Absent:
        """Return the value of one param; ABSENT, reported, if it has none. Raises SpecError for an expression."""
        key, value = self.written(source)
        is_read = value is not None
        if not is_read:
            if source.default is None:
                return self.missing(name, source)
            value = self.constant(source.default, expression=True)
        elif source.is_count:
            if not isinstance(value, (dict, list)):
                return self.wrong(key, "a mapping or a list", value, source)
            value = len(value)

        if source.values is not None and is_read:
            translated = self.translated(key or name, value, source, source.values)
            if isinstance(translated, Absent):
                return translated
            value = translated
        return self.checked(name, key or name, value, source)

    def translated(self, key: str, value: Json, source: ConfigParam, words: Mapping[str, Entry]) -> Json | Absent:
        """Return the spec's word for one of the config; ABSENT, reported, without one.

        The word of a list is its JSON; without one, each entry is translated.
        """
        if isinstance(value, list) and _shown(value) not in words:
            entries = [self.translated(f"{key}.{i}", entry, source, words) for i, entry in enumerate(value)]
            return ABSENT if any(isinstance(entry, Absent) for entry in entries) else entries  # type: ignore[return-value]
        if (word := _shown(value)) not in words:
            return self.wrong(key, f"one of {', '.join(words)}", value, source)
        return self.constant(words[word].value)

    def missing(self, name: str, source: ConfigParam) -> Absent:
        """Report H905 for a param that the config says nothing about."""
        keys = " or ".join(map(repr, source.keys))
        message = f"{self.config.file} has no {keys}, which the param '{name}' of the spec is read from"
        span = self.config.span(source.keys[0])
        self.diagnostics.error("H905", message, span, None, Note("mapped here", source.span))
        return ABSENT

    def written(self, source: ConfigParam) -> tuple[str, Json]:
        """Return the first key of a param that is not null, and its value; else the config class's default, or null.

        What is no key's value has an empty key.
        """
        if source.lacked is not None:
            return "", source.lacked not in self.tensors
        if source.value is not None:
            return "", self.constant(source.value, expression=True)
        # null says that there is none, which is the param's default where it has one
        is_null = any(self.config.value(key) is None for key in source.keys) and source.default is not None
        for read in (self.config.value,) if is_null else (self.config.value, self.class_default):
            for key in source.keys:
                value = read(key)
                if not isinstance(value, Absent) and value is not None:
                    return key, value
        return "", None

    def checked(self, name: str, key: str, value: Json, source: ConfigParam) -> ParamSetting | Absent:
        """Return the value as the param takes it; ABSENT, reported as H905, if it is of another type."""
        decl = self.document.params[name]
        wanted = _wanted(decl)
        if wanted == "a number" and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not _is_of_kind(value, decl):
            return self.wrong(key, wanted, value, source)
        assert not isinstance(value, dict)
        return value  # type: ignore[return-value]  # lists hold what lists of a spec hold

    def wrong(self, key: str, wanted: str, value: Json, source: ConfigParam) -> Absent:
        message = f"{key} in {self.config.file} must be {wanted}, but is {json_kind(value)}"
        self.diagnostics.error("H905", message, self.config.span(key), None, Note("mapped here", source.span))
        return ABSENT

    # -- values

    def config_value(self, key: str) -> Json | Absent:
        """Return what the config has, or else the config class's default; ABSENT if the spec states none."""
        value = self.config.value(key)
        return self.class_default(key) if isinstance(value, Absent) else value

    def class_default(self, key: str) -> Json | Absent:
        """Return the config class's default of a key, as the spec states it; ABSENT if it does not."""
        return self.constant(self.decl.defaults[key].value) if key in self.decl.defaults else ABSENT

    def constant(self, value: Value, *, expression: bool = False) -> Json:
        """Return what the spec writes: a scalar or a list; a text with `${…}`, or an `expression`, over config keys."""
        if isinstance(value.data, Mapping):
            return self.counted_list(value.data["count"].value, value.data["each"].value)
        if isinstance(value.data, tuple):
            return [self.constant(each) for each in value.data]
        if isinstance(value.data, str) and (expression or "${" in value.data):
            text = (
                evaluate(value.data, self.scope, value.span)
                if expression
                else interpolate(value.data, self.scope, value.span)
            )
            return text  # type: ignore[return-value]  # no dims are in scope
        return value.data

    def counted_list(self, count: Value, each: Value) -> Json:
        """Return the list of `count` entries, each the value of an expression over config keys and its `index`.

        Raises SpecError: H905 if the count is no whole number from 0 to 10,000, X001 to X003 for an expression.
        """
        length = self.constant(count, expression=True)
        if not isinstance(length, int) or isinstance(length, bool) or not 0 <= length <= MOST_ENTRIES:
            message = f"'{count.written}' must be a whole number from 0 to {MOST_ENTRIES:,}, but is {json_kind(length)}"
            raise SpecError(Diagnostic("H905", message, count.span))
        scopes = ({**self.scope, "index": index} for index in range(length))
        return [evaluate(each.written, scope, each.span) for scope in scopes]  # type: ignore[misc]  # no dims are in scope

    @cached_property
    def scope(self) -> Mapping[str, Scalar]:
        """The keys whose values expressions may use."""
        stated = {key: entry.value.data for key, entry in self.decl.defaults.items()}
        values = {**stated, **{k: v for k, v in self.config.keys.items() if v is not None}}
        return {key: value for key, value in values.items() if isinstance(value, (bool, int, float, str))}


def _alternatives(value: Value) -> tuple[Value, ...]:
    """Return the values that a requirement allows: one, those of a list, or those of `{each: …}`."""
    if isinstance(value.data, Mapping):
        value = value.data["each"].value
    return value.listed


def _names(value: Value | None) -> Iterator[str]:
    """Yield the names that expressions of a value use: of a list those in `${…}`, of `{count: …, each: …}` both."""
    if value is None:
        return
    if isinstance(value.data, Mapping):
        yield from {*_names(value.data["count"].value), *_names(value.data["each"].value)} - {"index"}
        return
    for text in value.texts():
        if not isinstance(value.data, tuple) or "${" in text:
            yield from re.findall(r"[^\W\d]\w*", re.sub(r"'[^']*'", "", text))


def _same(value: Json, other: Json) -> bool:
    """Return whether two values are equal; true is not 1."""
    return isinstance(value, bool) == isinstance(other, bool) and value == other


def _shown(value: Json | Absent | object) -> str:
    """Return a value as a spec writes it, shortened."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


_KINDS = {"bool": (bool,), "int": (int,), "float": (int, float), "text": (str,)}
_WANTED = {"bool": "true or false", "int": "a whole number", "float": "a number", "text": "a text"}


def _kind(decl: ParamDecl) -> str | None:
    """Return the type of a param; None if a text by default, which may be an expression, leaves it open."""
    if decl.kind is not None:
        return decl.kind
    kinds: Mapping[type, str] = {bool: "bool", int: "int", float: "float"}
    return kinds.get(type(decl.default.data))


def _wanted(decl: ParamDecl) -> str:
    return "a list" if isinstance(decl.default.data, tuple) else _WANTED.get(_kind(decl) or "", "a single value")


def _is_of_kind(value: Json, decl: ParamDecl) -> bool:
    if isinstance(decl.default.data, tuple) or isinstance(value, (list, dict)):
        return isinstance(value, list) and isinstance(decl.default.data, tuple)
    kind = _kind(decl)
    if kind is None:
        return value is not None
    return isinstance(value, _KINDS[kind]) and (kind == "bool" or not isinstance(value, bool))
