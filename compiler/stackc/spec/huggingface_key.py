"""Read the key `huggingface`: the model of Hugging Face that a spec implements, and how its config sets the params."""

from __future__ import annotations

from collections.abc import Container

from stackc.core.diagnostics import did_you_mean
from stackc.spec.document import ConfigParam, HuggingFaceDecl
from stackc.spec.yaml.getters import Getter
from stackc.spec.yaml.tree import Entry, Value

KEYS = ("model_type", "architectures", "params", "requires", "ignores", "defaults")
PARAM_KEYS = ("from", "count", "value", "lacks", "default", "map")
REQUIREMENT_KEYS = ("each",)
LIST_KEYS = ("count", "each")


def read_huggingface(getter: Getter, params: Container[str]) -> HuggingFaceDecl:
    """Return the declaration; problems go to the diagnostics of the getter.

    `params` are those of the spec: each one that the declaration sets has to be among them (N312).
    """
    getter = getter.only(*KEYS)
    types = getter.texts("model_type", "a text, or a list of texts")
    architectures = getter.texts("architectures", "a list of names of classes")
    if not types and not architectures:
        hint = "write its model_type, and the names of its classes under architectures"
        getter.diagnostics.error("S006", "huggingface names no model", getter.span, hint)

    inner = getter.inner("params")
    sources = {name: _read_param(name, entry, inner, params) for name, entry in inner.entries.items()}
    requirements = getter.inner("requires")
    for key, entry in requirements.entries.items():
        _check_requirement(key, entry.value, requirements)

    defaults = getter.inner("defaults")
    for key, entry in defaults.entries.items():
        if isinstance(entry.value.data, dict):
            defaults.wrong(key, "a single value, or a list of them", entry.value)
    ignored = getter.texts("ignores", "a list of keys of the config")
    return HuggingFaceDecl(
        tuple(str(value.data) for value in types),
        tuple(str(value.data) for value in architectures),
        {name: source for name, source in sources.items() if source},
        requirements.entries,
        tuple(str(value.data) for value in ignored),
        defaults.entries,
        getter.span,
    )


def _read_param(name: str, entry: Entry, outer: Getter, params: Container[str]) -> ConfigParam | None:
    """Return `KEY`, or `{from: KEY or list, default: …, map: …}`, or one of `count`, `value` and `lacks`."""
    if name not in params:
        hint = did_you_mean(name, params if isinstance(params, (dict, set)) else ())
        outer.diagnostics.error("N312", f"huggingface.params: the spec has no param '{name}'", entry.key, hint)
    if isinstance(entry.value.data, str):
        return ConfigParam((entry.value.data,), span=entry.key)
    if not isinstance(entry.value.data, dict):
        hint = f"for example `{name}: hidden_size`, or `{name}: {{from: hidden_size, default: 768}}`"
        outer.wrong(name, "a key of the config, or a mapping", entry.value, hint)
        return None

    getter = Getter.of(entry.value, outer.at(name), outer.diagnostics, entry.key).only(*PARAM_KEYS)
    keys = getter.texts("from", "a key of the config, or a list of keys")
    count, value, lacked = getter.text("count"), getter.value("value"), getter.text("lacks")
    if sum(bool(given) for given in (keys, count, value, lacked)) != 1:
        hint = f"for example `{name}: {{from: hidden_size}}`"
        getter.diagnostics.error("S006", f"{getter.path} needs one of from, count, value and lacks", entry.key, hint)
        return None
    if value and isinstance(value.data, (dict, tuple)):
        getter.wrong("value", "an expression over keys of the config", value)
        return None
    for key, kept in getter.inner("map").entries.items():
        if isinstance(kept.value.data, (dict, tuple)):
            getter.inner("map").wrong(key, "a single value", kept.value)
    return ConfigParam(
        tuple(str(key.data) for key in keys) or ((count,) if count else ()),
        is_count=count is not None,
        value=value,
        lacked=lacked,
        default=_read_default(getter),
        values=getter.inner("map").entries if "map" in getter.entries else None,
        span=entry.key,
    )


def _read_default(getter: Getter) -> Value | None:
    """Return a value, a list of them, or `{count: …, each: …}`; None, reported as S005 or S006, for anything else."""
    default = getter.value("default")
    if default is None or not isinstance(default.data, dict):
        if default is not None and any(isinstance(each.data, (dict, tuple)) for each in default.listed):
            getter.wrong("default", "a single value, or a list of them", default)
            return None
        return default

    inner = getter.inner("default").only(*LIST_KEYS)
    if missing := next((key for key in LIST_KEYS if key not in inner.entries), None):
        hint = "write `{count: …, each: …}`, both expressions over keys of the config"
        getter.diagnostics.error("S006", f"{inner.path} needs {missing}", default.span, hint)
        return None
    for key in LIST_KEYS:
        if isinstance(inner.entries[key].value.data, (dict, tuple)):
            inner.wrong(key, "an expression over keys of the config", inner.entries[key].value)
            return None
    return Value(inner.entries, default.span)


def _check_requirement(key: str, value: Value, outer: Getter) -> None:
    """Report S004 and S005 for what is neither a value, nor a list of values, nor `{each: …}` of these."""
    allowed = value
    if isinstance(value.data, dict):
        getter = Getter.of(value, outer.at(key), outer.diagnostics).only(*REQUIREMENT_KEYS)
        allowed = getter.value("each") or value
    if any(isinstance(each.data, (dict, tuple)) for each in allowed.listed):
        outer.wrong(key, "a value, a list of values, or `{each: …}`", allowed)
