"""Attributions against closed forms and captum called by hand, and what `stackc attribute` says and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import stackc
from stackc.attribution import METHODS, AttributionOptions, Attributions, attribute_examples
from stackc.attribution.attribute import batched_inputs
from stackc.attribution.page import write_attribution_page
from stackc.attribution.tokens import read_tokens
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, check_source
from stackc.runtime import Array, read_npz
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

LINEAR = """\
stackc: 1
name: linear
inputs: {x: {shape: [batch, 4]}}
graph: x --> y[linear]
nodes: {y: {out: 3}}
"""
NETWORK = """\
stackc: 1
name: network
inputs: {x: {shape: [batch, 4]}}
graph: x --> hidden[linear] --> act[tanh] --> y[linear]
nodes: {hidden: {out: 8}, y: {out: 3}}
"""
MIXING = NETWORK.replace("x -->", "x --> r[flip] -->").replace("nodes: {", "nodes: {r: {axis: 0}, ")
SCALED = """\
stackc: 1
name: scaled
inputs: {x: {shape: [batch, 4]}, scale: {shape: [4]}}
graph: |
  x --> product[mul] --> y[linear]
  scale --> product
nodes: {y: {out: 3}}
"""
TEXT = """\
stackc: 1
name: text
inputs:
  ids:  {dtype: int64, shape: [batch, seq], below: 20}
  mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}
graph: |
  ids --> embed[embedding] --> attn[attention] --> pool[mean_pool] --> y[linear]
  mask -->|mask| attn
  mask -->|mask| pool
nodes: {embed: {vocab: 20, dim: 8}, attn: {heads: 2}, y: {out: 3}}
"""


def model(text: str) -> tuple[Checked, torch.nn.Module]:
    checked = check_source(Source("spec.yaml", text))
    return checked, lower(checked.typed, seed=0).eval()


def draw(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def attribute(text: str, feeds: dict[str, Array], output: str = "y:1", **options: object) -> Attributions:
    checked, module = model(text)
    return attribute_examples(checked, module, feeds, AttributionOptions(output, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "input_x_gradient", "deep_lift", "occlusion", "feature_ablation"]
)
def test_a_linear_model_has_a_closed_form(method: str) -> None:
    """Each of these methods gives w·x, element by element, at the baseline 0."""
    x = draw(5, 4)
    found = attribute(LINEAR, {"x": x}, method=method)
    weight = model(LINEAR)[1].state_dict()["y.weight"].numpy()
    np.testing.assert_allclose(found.inputs["x"], weight[1] * x, rtol=1e-4, atol=1e-6)
    assert (found.gaps is not None) == METHODS[method].is_complete


def test_the_gradient_of_a_linear_model() -> None:
    found = attribute(LINEAR, {"x": draw(5, 4)}, method="saliency")
    weight = model(LINEAR)[1].state_dict()["y.weight"].numpy()
    np.testing.assert_allclose(found.inputs["x"], np.broadcast_to(abs(weight[1]), (5, 4)), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
@pytest.mark.parametrize("method", METHODS)
def test_equal_to_captum_called_by_hand(method: str) -> None:
    x = draw(3, 4)
    found = attribute(NETWORK, {"x": x}, method=method, steps=20)
    module = model(NETWORK)[1]
    by_hand = getattr(captum.attr, METHODS[method].inputs)(module)
    by_method: dict[str, dict[str, Any]] = {
        "occlusion": {"sliding_window_shapes": (1,)},
        "integrated_gradients": {"n_steps": 20},
    }
    options = by_method.get(method, {})
    expected = by_hand.attribute(torch.tensor(x, requires_grad=True), target=1, **options)
    np.testing.assert_allclose(found.inputs["x"], expected.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_ids_are_attributed_as_captum_does_at_a_layer() -> None:
    ids, mask = np.array([[3, 7, 1], [5, 0, 19]]), np.array([[1, 1, 1], [1, 1, 0]])
    found = attribute(TEXT, {"ids": ids, "mask": mask}, steps=20)
    assert found.fixed == ("mask",)

    module = model(TEXT)[1]
    by_hand = captum.attr.LayerIntegratedGradients(lambda i, m: module(i, m), module.get_submodule("embed"))
    vectors = by_hand.attribute(
        torch.tensor(ids), torch.zeros(2, 3, dtype=torch.long), target=1, n_steps=20,
        additional_forward_args=(torch.tensor(mask),),
    )  # fmt: skip
    np.testing.assert_allclose(found.inputs["ids"], vectors.sum(-1).detach().numpy(), rtol=1e-3, atol=1e-6)
    assert abs(found.inputs["ids"][1, 2]) < 1e-6  # the mask hides it


def test_more_steps_close_the_completeness_gap() -> None:
    x = draw(4, 4)
    few, many = (attribute(NETWORK, {"x": 3 * x}, steps=steps).gaps for steps in (3, 200))
    assert few is not None
    assert many is not None
    assert abs(many).max() < 1e-4 < abs(few).max()


def test_components_have_the_conductance_of_captum() -> None:
    x = draw(2, 4)
    found = attribute(NETWORK, {"x": x}, steps=20)
    module = model(NETWORK)[1]
    conductance = captum.attr.LayerConductance(module, module.get_submodule("act"))
    expected = conductance.attribute(torch.tensor(x, requires_grad=True), target=1, n_steps=20).sum(-1)
    (values,) = (values for part, values in found.components.items() if part.path == "act")
    np.testing.assert_allclose(values, expected.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_a_baseline() -> None:
    x = draw(3, 4)
    assert not attribute(LINEAR, {"x": x}, baselines={"x": x[0]}).inputs["x"][0].any()


def test_examples_that_depend_on_each_other_are_one() -> None:
    assert batched_inputs(model(MIXING)[0].program, "y:1") is None
    assert batched_inputs(model(TEXT)[0].program, "y:1") == frozenset({"ids", "mask"})


def test_conductances_of_a_model_without_an_axis_of_examples() -> None:
    """Row 0 of the output is due to row 2 of the input, and as a network without the flip has it."""
    x = draw(3, 4)
    mixed, alone = (
        attribute(text, {"x": rows}, output, steps=200)
        for text, rows, output in ((MIXING, x, "y:0,1"), (NETWORK, x[2:], "y:1"))
    )
    np.testing.assert_allclose(mixed.inputs["x"][0, 2], alone.inputs["x"][0], rtol=1e-4, atol=1e-6)
    assert not mixed.inputs["x"][0, :2].any()

    # every part cuts this chain, so each conducts the whole change: the last two, which are linear after, exactly
    change = float(mixed.values[0] - mixed.baseline_values[0])  # type: ignore[index]
    of_parts = {part.path: float(values[0]) for part, values in mixed.components.items()}
    assert of_parts == pytest.approx(dict.fromkeys(("r", "hidden", "act", "y"), change), rel=1e-2)
    assert (of_parts["act"], of_parts["y"]) == pytest.approx((change, change), rel=1e-5)
    by_captum = {part.path: float(values[0]) for part, values in alone.components.items()}
    assert by_captum["hidden"] == pytest.approx(of_parts["hidden"], rel=1e-2)


def test_an_input_without_an_axis_of_examples() -> None:
    """y = W (s ∘ x): input times gradient is wᵢ sᵢ xᵢ for both inputs, for each example."""
    x, scale = draw(3, 4), draw(7, 4)[6]
    found = attribute(SCALED, {"x": x, "scale": scale}, method="input_x_gradient")
    weight = model(SCALED)[1].state_dict()["y.weight"].numpy()
    for name in ("x", "scale"):
        np.testing.assert_allclose(found.inputs[name], weight[1] * scale * x, rtol=1e-4, atol=1e-6)
    page = write_attribution_page(model(SCALED)[0], found, {"x": x, "scale": scale})
    assert page.count("<h3>scale <small>[4]</small></h3>") == 3


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("z:1", {}, "R441]: the model has no output 'z'"),
        ("y", {}, r"R442]: 'y' is not one number"),
        ("y:3", {}, "R442]: 'y:3' asks for place 3"),
        ("y:first", {}, "R442]"),
        ("y:1", {"baselines": {"z": np.zeros(4)}}, "R444]: there is a baseline for 'z', which is no input"),
        ("y:1", {"baselines": {"x": np.zeros(5)}}, r"R444]: the baseline of 'x' has the shape \[5\]"),
    ],
)
def test_errors(output: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message.replace("]:", r"\]:")):
        attribute(LINEAR, {"x": draw(2, 4)}, output, **options)


def test_error_nothing_to_attribute_to() -> None:
    text = (
        "stackc: 1\nname: c\ninputs: {m: {dtype: int64, shape: [batch, 4], values: [0, 1]}}\n"
        "graph: m --> y[cast]\nnodes: {y: {dtype: float32}}\n"
    )
    with pytest.raises(SpecError, match="R443"):
        attribute(text, {"m": np.ones((1, 4), np.int64)})


def test_error_deep_lift_of_a_module_that_is_called_twice() -> None:
    twice = NETWORK.replace("act[tanh] -->", "act[tanh] --> b[linear] --> again[tanh] -->")
    twice = twice.replace("nodes: {", "nodes: {b: {out: 8}, again: {same_as: act}, ")
    with pytest.raises(SpecError, match="R443"):
        attribute(twice, {"x": draw(2, 4)}, method="deep_lift")


@pytest.mark.parametrize(
    ("text", "output", "scale"), [(MIXING, "y:0,1", {}), (SCALED, "y:1", {"scale": np.ones(4, np.float32)})]
)
def test_error_deep_lift_without_an_axis_of_examples(text: str, output: str, scale: dict[str, Array]) -> None:
    with pytest.raises(SpecError, match="an input has no axis"):
        attribute(text, {"x": draw(2, 4), **scale}, output, method="deep_lift")


def test_error_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("[]", encoding="utf-8")
    for name in ("tokenizer.json", "missing.json"):
        with pytest.raises(SpecError, match="R445"):
            read_tokens(tmp_path / name)


# -- the command


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["attribute", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("text.yaml").write_text(TEXT, encoding="utf-8")
    np.savez("x.npz", ids=np.array([[3, 7, 1], [5, 0, 19]]), mask=np.ones((2, 3), np.int64))
    vocabulary = {f"<b>{number}</b>": number for number in range(20)}
    Path("tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}), encoding="utf-8")
    return tmp_path


def test_the_command_writes_arrays_and_a_page(folder: Path) -> None:
    printed = run("text.yaml", "--data", "x.npz", "--output", "y:1", "--attention", "--json")
    assert printed.exit_code == 0, printed.output
    data = json.loads(printed.output)
    assert (data["output"], data["method"], data["fixed"]) == ("y:1", "integrated_gradients", ["mask"])
    assert {part["path"] for part in data["components"]} == {"embed", "attn", "pool", "y"}

    arrays = read_npz(Path("attribution.npz"))
    np.testing.assert_allclose(arrays["input.ids"].sum(axis=1), data["inputs"]["ids"])
    np.testing.assert_allclose(arrays["attention.attn"].sum(axis=-1), 1, atol=1e-6)
    assert arrays["attention.attn"].shape == (2, 2, 3, 3)

    page = Path("attribution.html").read_text(encoding="utf-8")
    assert "<b>7</b>" not in page.replace("<b>y:1</b>", "")
    assert "&lt;b&gt;7&lt;/b&gt;" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_an_artifact_is_attributed_with_its_own_weights(folder: Path) -> None:
    built = stackc.build("text.yaml", stackc.Options(out=folder / "out", verify=False, measure=False, seed=5))
    values = []
    for target in ((str(built.folder),), ("text.yaml", "--seed", "5")):
        printed = run(*target, "--data", "x.npz", "--output", "y:1", "--json")
        assert printed.exit_code == 0, printed.output
        values.append(json.loads(printed.output)["values"])
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_without_captum_a_line_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackc.attribution.methods.find_spec", lambda name: None)
    printed = run("text.yaml", "--data", "x.npz", "--output", "y:1")
    assert printed.exit_code == 2
    assert "pip install 'stackc[attribution]'" in printed.output


def test_the_examples_are_not_overwritten(folder: Path) -> None:
    printed = run("text.yaml", "--data", "x.npz", "--output", "y:1", "-o", "x.npz")
    assert printed.exit_code == 2
    assert "would be lost" in printed.output
