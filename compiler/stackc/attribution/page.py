"""attribution.html: heat over the tokens, pixels, samples or columns of each example, components, and attention.

Self-contained, and everything from the spec, the data and the tokenizer is escaped: by the template, or set as text by
the script, which draws the maps.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stackc.attribution.attribute import Attributions
from stackc.frontend import Checked
from stackc.runtime import Array, Feeds
from stackc.view.html import render_page

MOST_EXAMPLES, MOST_COLUMNS, MOST_SAMPLES, MOST_PIXELS, MOST_KEYS = 20, 64, 2000, 128, 128
"""What the page shows at most: attribution.npz has all of it. MOST_PIXELS and MOST_KEYS are sizes of one side."""


def write_attribution_page(
    checked: Checked,
    found: Attributions,
    feeds: Feeds,
    *,
    tokens: Mapping[int, str] | None = None,
    attention: Mapping[str, Array] | None = None,
) -> str:
    """Return the page of attributions of these feeds; `tokens` are words for ids, `attention` has probabilities."""
    count = len(found.values)
    shown = min(count, MOST_EXAMPLES)
    return render_page(
        "attribution.html",
        title=checked.document.name,
        target=str(found.target),
        method=found.method.name,
        doc=found.method.doc,
        fixed=found.fixed,
        hidden=count - shown,
        gap=None if found.gaps is None else _number(np.abs(found.gaps).max()),
        examples=[_example(found, feeds, row, tokens) for row in range(shown)],
        attention=_attention(attention or {}, feeds, shown, tokens),
    )


def _example(found: Attributions, feeds: Feeds, row: int, tokens: Mapping[int, str] | None) -> dict[str, Any]:
    components = [(part, float(values[row])) for part, values in found.components.items()]
    largest = max([abs(value) for _, value in components if np.isfinite(value)], default=0.0)

    return {
        "number": row,
        "value": _number(found.values[row]),
        "baseline": None if found.baseline_values is None else _number(found.baseline_values[row]),
        "gap": None if found.gaps is None else _number(found.gaps[row]),
        "inputs": [
            _input(
                name, np.asarray(feeds[name][row] if feeds[name].ndim == heat.ndim else feeds[name]), heat[row], tokens
            )
            for name, heat in found.inputs.items()
        ],
        "components": [
            {"path": part.path, "op": part.op, "line": f"{Path(part.span.file).name}:{part.span.line}"}
            | _heat(value, largest)
            for part, value in components
        ],
    }


def _input(name: str, x: Array, heat: Array, tokens: Mapping[int, str] | None) -> dict[str, Any]:
    """Return an input in the form that fits its shape: tokens, columns, a wave, or a map of pixels."""
    data: dict[str, Any] = {"name": name, "shape": f"[{', '.join(map(str, x.shape))}]"}
    if not np.issubdtype(x.dtype, np.floating) and x.ndim <= 2:
        return data | {"form": "tokens", "rows": _token_rows(x, heat, tokens)}
    if x.size <= MOST_COLUMNS and x.ndim <= 1:
        largest = float(np.abs(heat).max(initial=0.0))
        columns = zip(np.atleast_1d(x), np.atleast_1d(heat), strict=True)
        return data | {
            "form": "columns",
            "rows": [{"name": str(n), "x": _number(v), **_heat(h, largest)} for n, (v, h) in enumerate(columns)],
        }
    if x.ndim == 1 or (x.ndim == 2 and x.shape[0] <= 2):
        waves = [_wave(*pair) for pair in zip(np.atleast_2d(x), np.atleast_2d(heat), strict=True)]
        return data | {"form": "wave", "drawing": {"waves": waves}}
    return data | {"form": "map", "drawing": _map(x, heat)}


def _token_rows(ids: Array, heat: Array, tokens: Mapping[int, str] | None) -> list[list[dict[str, Any]]]:
    largest = float(np.abs(heat).max(initial=0.0))
    return [
        [{"word": _word(id, tokens), **_heat(value, largest)} for id, value in zip(*pair, strict=True)]
        for pair in zip(np.atleast_2d(ids), np.atleast_2d(heat), strict=True)
    ]


def _word(id: int, tokens: Mapping[int, str] | None) -> str:
    """Return the piece of text of an id, with the marks of spaces as spaces."""
    return (tokens or {}).get(int(id), str(int(id))).replace("Ġ", " ").replace("▁", " ")


def _wave(x: Array, heat: Array) -> dict[str, list[float]]:
    """Return a waveform: where there are many samples, means of neighbours, and sums of their heat."""
    step = -(-len(x) // MOST_SAMPLES)
    starts = np.arange(0, len(x), step)
    lengths = np.diff([*starts, len(x)])
    return {
        "x": _rounded(np.add.reduceat(x.astype(np.float64), starts) / lengths),
        "heat": _rounded(np.add.reduceat(heat, starts)),
    }


def _map(x: Array, heat: Array) -> dict[str, Any]:
    """Return a map over the last two axes: the mean of the others for the picture, their sum for the heat."""
    values = x.astype(np.float64).reshape(-1, *x.shape[-2:]).mean(axis=0)
    summed = heat.reshape(-1, *heat.shape[-2:]).sum(axis=0)
    for axis in (0, 1):
        step = -(-values.shape[axis] // MOST_PIXELS)
        starts = np.arange(0, values.shape[axis], step)
        lengths = np.diff([*starts, values.shape[axis]])
        values = np.add.reduceat(values, starts, axis) / (lengths[:, None] if axis == 0 else lengths)
        summed = np.add.reduceat(summed, starts, axis)
    return {"width": values.shape[1], "x": _rounded(values.reshape(-1)), "heat": _rounded(summed.reshape(-1))}


def _attention(
    attention: Mapping[str, Array], feeds: Feeds, shown: int, tokens: Mapping[int, str] | None
) -> dict[str, Any] | None:
    """Return the probabilities for the script: a byte for each, 255 for 1; with words where an input has as many."""
    if not attention:
        return None
    layers = []
    for path, probabilities in attention.items():
        cut = probabilities[:shown, :, :MOST_KEYS, :MOST_KEYS]
        bytes_ = np.round(cut * 255).astype(np.uint8)
        layers.append({
            "path": path, "shape": cut.shape, "whole": probabilities.shape[2:],
            "bytes": base64.b64encode(bytes_.tobytes()).decode(),
        })  # fmt: skip

    words = {
        name: [[_word(id, tokens) for id in row] for row in ids[:shown, :MOST_KEYS]]
        for name, ids in feeds.items()
        if ids.ndim == 2 and np.issubdtype(ids.dtype, np.integer) and len(set(np.unique(ids)) - {0, 1})
    }
    return {"layers": layers, "words": list(words.values())}


def _heat(value: float, largest: float) -> dict[str, str]:
    """Return a number with its share of the largest, in percent, and its sign as a class."""
    share = abs(value) / largest if largest and np.isfinite(value) else 0.0
    return {"value": _number(value), "share": f"{100 * share:.0f}%", "sign": "for" if value >= 0 else "against"}


def _number(value: float) -> str:
    return f"{float(value):.4g}"


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.4g}") if np.isfinite(value) else 0.0 for value in values]
