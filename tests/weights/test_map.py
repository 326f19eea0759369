"""Entries of `weights: {map: …}`: their language, their order, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import Span, SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source
from stackc.weights.files import open_weights
from stackc.weights.match import match_program
from stackc.weights.sources import Weights
from stackc.weights.tensor_expressions.parser import parse_expression
from stackc.weights.tensor_expressions.template import CaptureBinding, bind
from stackc.weights.tensor_expressions.tree import shape_of, value_of

AT = Span("spec.yaml", 1)


def evaluated(text: str, tensors: dict[str, np.ndarray[Any, Any]], **params: int) -> np.ndarray[Any, Any]:
    """Evaluate an expression over arrays, and hold its shape to the one that is known beforehand."""
    tree = bind(parse_expression(text, AT), CaptureBinding((), {}, params, text, AT))
    value = value_of(tree, tensors.__getitem__, (2, 3))
    assert value.shape == shape_of(tree, {name: array.shape for name, array in tensors.items()}, (2, 3))
    return value


# -- expressions are NumPy's


@st.composite
def chains(draw: st.DrawFn) -> tuple[str, str, dict[str, np.ndarray[Any, Any]]]:
    """Draw tensors, an expression over them, and what Python evaluates to the same with NumPy."""
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    tensors = {"a": np.arange(np.prod(shape)).reshape(shape), "b": -np.arange(np.prod(shape)).reshape(shape)}
    ours = theirs = "a"
    value = tensors["a"]
    for _ in range(draw(st.integers(1, 4))):
        step, numpy = draw(steps(value))
        ours, theirs = step.replace("@", ours), numpy.replace("@", theirs)
        value = eval(theirs, {"np": np, **tensors})
    return ours, theirs, tensors


@st.composite
def steps(draw: st.DrawFn, value: np.ndarray[Any, Any]) -> tuple[str, str]:
    """Draw one operation that fits an array, as stackc and as NumPy write it; `@` stands for the array."""
    kinds = ["slice", "T", "reshape", "cat", "stack", "permute", "swapaxes", "squeeze", "unsqueeze", "flip"]
    kind = draw(st.sampled_from(kinds))
    rank = value.ndim
    if kind == "unsqueeze" and rank < 5:
        axis = draw(st.integers(-rank - 1, rank))
        return f"@.unsqueeze({axis})", f"np.expand_dims(@, {axis})"
    if kind == "squeeze":
        return "@.squeeze()", "@.squeeze()"
    if not rank or not value.size:
        return "@.T", "@.T"

    axis = draw(st.integers(-rank, rank - 1))
    if kind == "slice":
        items = [draw(index(size)) for size in value.shape[: draw(st.integers(1, rank))]]
        return f"@[{', '.join(items)}]", f"@[{', '.join(items)}]"
    if kind == "reshape":
        first = draw(st.sampled_from([n for n in range(1, value.size + 1) if value.size % n == 0]))
        return f"@.reshape({first}, -1)", f"@.reshape({first}, -1)"
    if kind in ("cat", "stack") and value.size < 500 and rank < 5:
        name = draw(st.sampled_from(["axis", "dim"]))
        numpy = "concatenate" if kind == "cat" else "stack"
        return f"{kind}(@, @, {name}={axis})", f"np.{numpy}((@, @), axis={axis})"
    if kind == "permute":
        axes = ", ".join(map(str, draw(st.permutations(range(rank)))))
        return f"@.permute({axes})", f"@.transpose({axes})"
    if kind == "flip":
        return f"@.flip({axis})", f"np.flip(@, {axis})"
    return f"@.swapaxes({axis}, 0)", f"@.swapaxes({axis}, 0)"


@st.composite
def index(draw: st.DrawFn, size: int) -> str:
    """Draw an index of one axis, never beyond its end."""
    if size and draw(st.booleans()):
        return str(draw(st.integers(-size, size - 1)))
    bounds = [draw(st.one_of(st.just(""), st.integers(-size, size).map(str))) for _ in range(2)]
    step = draw(st.sampled_from(["", ":", ":2", ":-1", ":3"]))
    return f"{bounds[0]}:{bounds[1]}{step}"


@given(chains())
@settings(max_examples=100, deadline=None)
def test_chains_of_operations_are_numpy_s(chain: tuple[str, str, dict[str, np.ndarray[Any, Any]]]) -> None:
    ours, theirs, tensors = chain
    np.testing.assert_array_equal(evaluated(ours, tensors), eval(theirs, {"np": np, **tensors}))


A = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
B = A[0] + 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", A),
        ("'a'.T", A.T),
        ("a.T.T", A),
        ("a[n - 1, 0:2*n]", A[0, 0:2]),
        ("a[1/2]", A[1:]),
        ("a[:, 1/3]", A[:, 1:2]),
        ("a[..., 0]", A[..., 0]),
        ("a[-1][0, 1:]", A[-1][0, 1:]),
        ("a.reshape(2, -1).T[3:]", A.reshape(2, -1).T[3:]),
        ("stack(b, b, axis=-1)", np.stack([B, B], -1)),
        ("cat(a[0], b)", np.concatenate([A[0], B])),
        ("a + 1", A + 1),
        ("b - a[0]", B - A[0]),
        ("a[0] + b * 2", A[0] + B * 2),
        ("(a[0] + b) * {2**-1}", (A[0] + B) * np.float32(0.5)),
        ("1 / (b + 1)", 1 / (B + 1)),
        ("b - 1 - 2", B - 1 - 2),
        ("b.to(float16)", B.astype(np.float16)),
        ("zeros(n, 3)", np.zeros((1, 3))),
        ("ones()", np.ones((2, 3))),
    ],
)
def test_expressions(text: str, expected: np.ndarray[Any, Any]) -> None:
    value = evaluated(text, {"a": A, "b": B}, n=1)
    np.testing.assert_array_equal(value, expected)
    assert value.dtype == (expected.dtype if "ones" not in text and "zeros" not in text else np.float32)


def test_names_may_hold_what_is_no_bracket_and_no_space() -> None:
    tensors = {"onnx::MatMul_1": B, "a-b/c": B, "T": B, "x.T.y": B, "0.weight": B, "a b[0]": B}
    for name in tensors:
        quoted = f"'{name}'" if " " in name else name
        np.testing.assert_array_equal(evaluated(f"{quoted}.T", tensors), B.T)


def test_arithmetic_is_made_in_float32() -> None:
    half = np.array([0.001], np.float16)
    assert evaluated("a + 1", {"a": half})[0] == np.float32(half[0]) + 1
    assert evaluated("a + 1", {"a": np.array([2.0**-40])})[0] == 1 + 2.0**-40  # float64 stays
    assert evaluated("a + b", {"a": half, "b": half}).dtype == np.float32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.reshape(5, -1)", "`a.reshape(5, -1)`: the shape [2, 3, 4] cannot be reshaped to [5, -1]"),
        ("a[0, 0, 0, 0]", "4 indices are too many for the shape [2, 3, 4]"),
        ("a[:, 0:9]", "`a[:, 0:9]`: 0:9 is beyond an axis of 3"),
        ("a[2]", "index 2 is beyond an axis of 2"),
        ("a[:, 0/2]", "an axis of 3 has no 2 equal parts"),
        ("a.permute(0, 1)", "permute needs every axis of the shape [2, 3, 4] once"),
        ("a.squeeze(0)", "axis 0 has 2 elements, not one"),
        ("a.swapaxes(0, 3)", "axis 3 is not one of 3"),
        ("cat(a, b)", "cat along axis 0 of [2, 3, 4], [3, 4]"),
        ("stack(a, b)", "stack needs equal shapes, not [2, 3, 4], [3, 4]"),
        ("a + b", "+ needs equal shapes, not [2, 3, 4] and [3, 4]"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_read(text: str, message: str) -> None:
    tree = bind(parse_expression(text, AT), CaptureBinding((), {}, {}, text, AT))
    with pytest.raises(ValueError, match=r"the|axis|equal|cat|beyond|parts") as caught:
        shape_of(tree, {"a": A.shape, "b": B.shape}, ())
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "a tensor is missing", "write a name of the file"),
        ("a.view(2, 3)", "tensors have no method 'view'", "write `reshape`; methods are"),
        ("a.transpose(0, 1)", "tensors have no method 'transpose'", "`swapaxes` swaps two axes"),
        ("a[0].t", "'.t' is not a method", "write `T`"),
        ("rows(a, 0, 2)", "unknown function 'rows'", "write `[a:b]`"),
        ("exec(a)", "unknown function 'exec'", ""),
        ("a.reshape()", "'reshape' takes 1 to 12 arguments, not 0", ""),
        ("a.to(float12)", "'float12' is not an element type", "write one of float32"),
        ("a[0:1", "a ']' is missing", ""),
        ("cat(a, b", "a ')' is missing", ""),
        ("cat()", "a tensor is missing", ""),
        ("a b", "nothing was expected at 'b'", "operators stand between spaces"),
        ("a+1 b", "nothing was expected at 'b'", ""),
        ("'a", "a quote is not closed", ""),
        ("(" * 60 + "a" + ")" * 60, "it is nested too deep", ""),
        ("a" * 1001, "it has more than 1000 characters", ""),
    ],
)
def test_what_is_no_expression(text: str, message: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_expression(text, AT)
    (problem,) = caught.value.diagnostics
    assert problem.code == "W807"
    assert message in problem.message
    assert hint in (problem.hint or "")


# -- entries


SPEC = """\
stackc: 1
params: {dim: 4}
inputs: {x: {shape: [batch, dim]}}
graph: x --> s[stack] --> y[linear]
nodes: {s: {of: linear, repeat: 3, with: {out: dim}}, y: {out: 2}}
weights:
"""
STATE = {f"s.{i}.weight": np.full((4, 4), i, np.float32) for i in range(3)} | {
    f"s.{i}.bias": np.full(4, i, np.float32) for i in range(3)
}
HEAD = {"y.weight": np.ones((2, 4), np.float32), "y.bias": np.ones(2, np.float32)}


def matched(folder: Path, tensors: dict[str, Any], weights: str) -> Weights:
    safetensors.numpy.save_file(tensors, folder / "w.safetensors")
    checked = check_source(Source("spec.yaml", SPEC + weights))
    file = open_weights(folder / "w.safetensors")
    return match_program(file, checked.program, checked.document.weights, checked.graph.params, "w.safetensors")


def refused(folder: Path, tensors: dict[str, Any], weights: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        matched(folder, tensors, weights)
    return [f"{d.span.line if d.span else 0} {d.code} {d.message} | {d.hint}" for d in caught.value.diagnostics]


def test_the_first_entry_that_matches_decides(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {f"l.{i}": STATE[f"s.{i}.weight"] for i in range(3)} | {"last": STATE["s.0.weight"] + 7}
    tensors |= {name: array for name, array in STATE.items() if name.endswith("bias")} | HEAD
    weights = matched(tmp_path, tensors, "  map:\n    s.2.weight: last\n    s.{i}.weight: l.{i}\n  ignore: [l.2]\n")
    assert [int(weights[f"s.{i}.weight"][0, 0]) for i in range(3)] == [0, 1, 7]

    reversed_order = "  map:\n    s.{i}.weight: l.{i}\n    s.2.weight: last\n"
    assert refused(tmp_path, tensors, reversed_order) == [
        "9 W805 's.2.weight' is never reached: 's.{i}.weight' above it matches the same names first"
        " | write the more special pattern first"
    ]


def test_of_a_list_the_first_that_the_file_has_is_read(tmp_path: Path) -> None:
    listed = "  map:\n    s.{i}.weight:\n      - l.{i}\n      - all[i]\n      - 'turned.{i}.T'\n"
    rest = {name: array for name, array in STATE.items() if name.endswith("bias")} | HEAD
    matrices: list[Any] = [STATE[f"s.{i}.weight"] for i in range(3)]
    files: list[dict[str, Any]] = [
        {f"l.{i}": matrix for i, matrix in enumerate(matrices)},
        {"all": np.stack(matrices)},
        {f"turned.{i}": matrix.T for i, matrix in enumerate(matrices)},
        {"l.0": matrices[0], "turned.1": matrices[1].T, "l.2": matrices[2]},
        {f"s.{i}.weight": matrix for i, matrix in enumerate(matrices)},  # the own names, as ever
    ]
    for file in files:
        weights = matched(tmp_path, file | rest, listed)
        for i, matrix in enumerate(matrices):
            np.testing.assert_array_equal(weights[f"s.{i}.weight"], matrix)

    # what is left over of another form is no part of the model, and what none has is asked for by the first
    assert refused(tmp_path, files[0] | files[1] | rest, listed) == [
        "6 W802 w.safetensors has 'all', which no parameter uses"
        " | map it to a parameter, or list it under `weights: {ignore: […]}`"
    ]
    (missing,) = refused(tmp_path, rest, listed)
    assert missing.startswith("9 W801 w.safetensors has no tensor for 's.0.weight' ('l.0'), and so for 2 more")


def test_every_entry_of_a_list_is_checked(tmp_path: Path) -> None:
    listed = "  map:\n    s.{i}.weight:\n      - l.{i}\n      - all[dom]\n"
    assert refused(tmp_path, STATE | HEAD, listed)[0].startswith("10 X002 'dom' is neither a param nor a dim")
    hidden = "  map:\n    s.{i}.*: l.{i}.*\n    s.2.weight:\n      - a\n      - b\n"
    assert [line[:55] for line in refused(tmp_path, STATE | HEAD, hidden)] == [
        "9 W805 's.2.weight' is never reached: 's.{i}.*' above i"
    ]


def test_a_capture_is_a_number_and_the_same_everywhere(tmp_path: Path) -> None:
    assert "matches no parameter" in refused(tmp_path, STATE | HEAD, "  map:\n    '{i}.0.weight': a\n")[0]
    assert "matches no parameter" in refused(tmp_path, STATE | HEAD, "  map:\n    s.{i}.{i}.weight: a\n")[0]


@pytest.mark.parametrize(("gated", "name"), [("false", "wi"), ("true", "wi_1")])
def test_a_param_that_is_text_is_a_piece_of_a_name(gated: str, name: str, tmp_path: Path) -> None:
    """As in T5, whose second matrix has another name where a gate is the first."""
    params = f"{{dim: 4, gated: {gated}, up: \"${{'wi_1' if gated else 'wi'}}\"}}"
    tensors: dict[str, Any] = {f"l.{i}.{name}.weight": STATE[f"s.{i}.weight"] for i in range(3)} | HEAD
    tensors |= {key: array for key, array in STATE.items() if key.endswith("bias")}
    safetensors.numpy.save_file(tensors, tmp_path / "w.safetensors")
    spec = SPEC.replace("{dim: 4}", params) + "  map:\n    s.*.weight: l.*.{up}.weight\n"
    checked = check_source(Source("spec.yaml", spec))
    file = open_weights(tmp_path / "w.safetensors")
    weights = match_program(file, checked.program, checked.document.weights, checked.graph.params, "w.safetensors")
    assert [int(weights[f"s.{i}.weight"][0, 0]) for i in range(3)] == [0, 1, 2]
    assert f"s.*.weight: l.*.{name}.weight" in write_lock(checked).replace('"', "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a[0:dom]", "8 X002 'dom' is neither a param nor a dim | did you mean 'dim'?"),
        ("a.{j}", "8 X002 'j' is neither a param nor a dim | known here: dim, i"),
        ("a[0:dim/3]", "8 W807 'dim/3' is 1.33333, not a whole number | None"),
        ("zeros(10**6, 10**6)", "8 W807 a constant of 1000000 × 1000000 numbers | write the sizes of the parameter"),
        ("ones(-3)", "8 W807 a constant of -3 numbers | write the sizes of the parameter"),
        ("a[3/3]", "8 W807 '3/3' is none of 3 parts, which count from 0 | the last is 2/3"),
        ("a[::0]", "8 W807 '::0' is not START:STOP or START:STOP:STEP | None"),
    ],
)
def test_sizes_without_a_value_are_found_by_check(text: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_source(Source("spec.yaml", f"{SPEC}  map:\n    s.{{i}}.weight: '{text}'\n"))
    assert [f"{d.span.line if d.span else 0} {d.code} {d.message} | {d.hint}" for d in caught.value.diagnostics] == [
        problem
    ]


def test_one_message_for_wrong_entries_at_the_first(tmp_path: Path) -> None:
    tensors = {f"l.{i}.w": STATE[f"s.{i}.weight"] for i in range(3)} | {f"l.{i}.b": STATE["s.0.bias"] for i in range(3)}
    wrong = "  map:\n    s.{i}.weight: l.{i}.v\n    s.{i}.bias: l.{i}.c\n"
    with pytest.raises(SpecError) as caught:
        matched(tmp_path, tensors | HEAD, wrong)
    (diagnostic,) = caught.value.diagnostics
    assert refused(tmp_path, tensors | HEAD, wrong) == [
        "8 W801 w.safetensors has no tensor for 's.0.weight' ('l.0.v'), and so for 2 more of this entry"
        " | did you mean 'l.0.w'?"
    ]
    assert [(note.span.line, note.message) for note in diagnostic.notes] == [
        (9, "nor for 's.0.bias' ('l.0.c'), and so for 2 more of this entry; did you mean 'l.0.b'?")
    ]


def test_tensors_of_other_shapes_than_a_wrong_entry_seeks_stay_unused(tmp_path: Path) -> None:
    tensors = {name: array for name, array in (STATE | HEAD).items() if not name.endswith("bias") or name in HEAD}
    extra = {f"l.{i}.b": STATE["s.0.bias"] for i in range(3)} | {"table": np.zeros((7, 7), np.float32)}
    assert [line[:6] for line in refused(tmp_path, tensors | extra, "  map:\n    s.{i}.bias: l.{i}.c\n")] == [
        "6 W802",
        "8 W801",
    ]


def test_a_misspelt_pattern_is_compared_with_patterns(tmp_path: Path) -> None:
    for wrong, right in (("s.*.bais", "s.*.bias"), ("s.{i}.wieght", "s.{i}.weight")):
        (line,) = refused(tmp_path, STATE | HEAD, f"  map:\n    {wrong}: l.*\n".replace("l.*", "last"))
        assert line == f"8 W805 '{wrong}' matches no parameter | did you mean '{right}'?"


def test_one_message_for_a_wrong_cut(tmp_path: Path) -> None:
    tensors = {f"l.{i}.w": STATE[f"s.{i}.weight"] for i in range(3)} | HEAD
    biases = {name: array for name, array in STATE.items() if name.endswith("bias")}
    assert refused(tmp_path, tensors | biases, "  map:\n    s.{i}.weight: l.{i}.w[0:2*dim]\n") == [
        "8 W803 's.0.weight' cannot be read from w.safetensors: `l.0.w[0:8]`: 0:8 is beyond an axis of 4,"
        " and so for 2 more of this entry | None"
    ]


def test_own_names_are_accepted_whatever_the_map_says(tmp_path: Path) -> None:
    """A fine-tuned state_dict of the spec's own module, although the map speaks of another file."""
    weights = "  map:\n    s.{i}.weight: blocks.{i}.w.T\n    '**': model.**\n"
    own = matched(tmp_path, STATE | HEAD, weights)
    for name, array in (STATE | HEAD).items():
        np.testing.assert_array_equal(own[name], array)


def test_a_tensor_is_not_taken_for_two_parameters(tmp_path: Path) -> None:
    """The file lacks what the map says of y.bias, and has a tensor of that name which the map uses elsewhere."""
    weights = "  map:\n    y.bias: tail.bias\n    y.weight: y.bias.reshape(1, 2).T[:, 0].unsqueeze(1)[:, :]\n"
    tensors = STATE | {"y.bias": np.ones(2, np.float32)}
    problems = refused(tmp_path, tensors, weights)
    assert any("W808 'y.bias' and 'y.weight' are both read from 'y.bias' of w.safetensors" in line for line in problems)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.net."])
def test_a_prefix_of_all_names_is_one_message_and_one_line(prefix: str, tmp_path: Path) -> None:
    tensors = {f"{prefix}{name}": array for name, array in (STATE | HEAD).items()}
    assert refused(tmp_path, tensors, "  map: {}\n") == [
        f"6 W801 the names of all tensors of w.safetensors begin with '{prefix}', which those of the spec lack"
        f" | write `weights: {{prefix: {prefix}}}`"
    ]
    weights = matched(tmp_path, tensors, f"  prefix: {prefix}\n")
    np.testing.assert_array_equal(weights["s.2.weight"], STATE["s.2.weight"])


def test_a_prefix_that_only_the_map_has(tmp_path: Path) -> None:
    """GPT-2's file on the hub lacks the `transformer.` that its class with a head has."""
    weights = "  map:\n    s.{i}.*: transformer.s.{i}.*\n    '**': transformer.**\n"
    renamed = {f"s.{i}.{kind}": STATE[f"s.{i}.{kind}"] for i in range(3) for kind in ("weight", "bias")}
    tensors = {name.replace("s.", "t."): array for name, array in renamed.items()} | HEAD
    weights = weights.replace("transformer.s.", "transformer.t.").replace("'**'", "y.*").replace(".**", ".z.*")
    tensors = {name.replace("y.", "z."): array for name, array in tensors.items()}
    assert refused(tmp_path, tensors, weights) == [
        "6 W801 the names of w.safetensors lack the 'transformer.' that those of the spec's map begin with"
        " | write `weights: {prefix: transformer.}`"
    ]
    fixed = matched(tmp_path, tensors, f"  prefix: transformer.\n{weights}")
    np.testing.assert_array_equal(fixed["s.1.weight"], STATE["s.1.weight"])


def test_a_prefix_that_makes_two_names_one(tmp_path: Path) -> None:
    tensors = STATE | HEAD | {"module.y.bias": HEAD["y.bias"]}
    assert "W808 without the prefix 'module.', 'y.bias' and 'module.y.bias'" in " ".join(
        refused(tmp_path, tensors, "  prefix: module.\n")
    ) or "W808 without the prefix 'module.', 'module.y.bias' and 'y.bias'" in " ".join(
        refused(tmp_path, tensors, "  prefix: module.\n")
    )


def test_a_lock_has_numbers_in_place_of_params() -> None:
    weights = "  map:\n    s.{i}.weight: '{i}.w[0:dim, i:i + dim].T'\n    y.weight: cat(a.{dim}, b[dim - 1], axis=0)\n"
    lock = write_lock(check_source(Source("spec.yaml", SPEC + weights)))
    assert '"s.{i}.weight": "{i}.w[0:(4), i:i + (4)].T"' in lock
    assert 'y.weight: "cat(a.{(4)}, b[(4) - 1], axis=0)"' in lock
    check_source(Source("spec.lock.yaml", lock))


def test_a_lock_keeps_lists() -> None:
    weights = "  map:\n    s.{i}.weight: [a, 'b[dim - 1]']\n"
    lock = write_lock(check_source(Source("spec.yaml", SPEC + weights)))
    assert '"s.{i}.weight": [a, "b[(4) - 1]"]' in lock
    check_source(Source("spec.lock.yaml", lock))


# -- what a file need not have


def test_a_counter_that_only_training_reads_need_not_be_there(tmp_path: Path) -> None:
    spec = """\
stackc: 1
name: batch_norm
inputs: {x: {shape: [batch, 2, 8, 8]}}
graph: x --> bn[batch_norm]
nodes: {bn: {axis: 1}}
"""
    tensors = {f"bn.{name}": np.ones(2, np.float32) for name in ("weight", "bias", "running_mean", "running_var")}
    checked = check_source(Source("spec.yaml", spec))
    for extra in ({}, {"bn.num_batches_tracked": np.array(7)}):
        safetensors.numpy.save_file(tensors | extra, tmp_path / "w.safetensors")
        file = open_weights(tmp_path / "w.safetensors")
        weights = match_program(file, checked.program, None, {}, "w.safetensors")
        assert weights["bn.num_batches_tracked"] == (7 if extra else 0)
        assert weights["bn.num_batches_tracked"].dtype == np.int64


@pytest.mark.parametrize("stored", [(1, 1, 64), (64,), (1, 64), (64, 1)])
def test_axes_of_one_may_differ(stored: tuple[int, ...], tmp_path: Path) -> None:
    spec = """\
stackc: 1
name: cls_token
inputs: {x: {shape: [batch, 9, 64]}}
graph: |
  x --> cls_token[learned_query] --> y[concat]
  x --> y
nodes: {cls_token: {count: 1, dim: 64}, y: {axis: 1}}
"""
    checked = check_source(Source("spec.yaml", spec))
    (name,) = checked.program.tensors()
    numbers = np.arange(64, dtype=np.float32)
    safetensors.numpy.save_file({name: numbers.reshape(stored)}, tmp_path / "w.safetensors")
    weights = match_program(open_weights(tmp_path / "w.safetensors"), checked.program, None, {}, "w.safetensors")
    np.testing.assert_array_equal(weights[name], numbers.reshape(1, 64))
    expected = () if stored == (1, 64) else (f"{name} [1, 64] is read from {name} {list(stored)}",)
    assert weights.notes == expected
