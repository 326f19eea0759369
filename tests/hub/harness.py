"""A family of the zoo against its class of transformers: `hold_to` imports a random module and compares in float64.

A family's test names the class, some configs and the inputs:

    @pytest.mark.parametrize("config", CONFIGS)
    def test_bert(config: BertConfig, tmp_path: Path) -> None:
        hold_to(BertModel, config, tmp_path, token_feeds(config), spec="bert_base")

    def test_defaults() -> None:
        check_defaults("bert_base", BertConfig)

    def test_the_smallest_builds(tmp_path: Path) -> None:
        build_small(BertModel, SMALL, tmp_path)

The original computes in float64 throughout: it is made, and runs, under the mode in which code that names float32 gets
float64, so that its rotary tables are those of float64 too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from stackc.frontend import check_spec
from stackc.hub.config import ABSENT, nested_value
from stackc.hub.importing import Imported, ImportOptions, import_from
from stackc.hub.zoo import zoo_document
from stackc.pipeline import Built, Options, build, lower_with_weights
from stackc.proof.eager import as_tuple, in_double
from stackc.proof.promotion import promoted

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]
Kept = Callable[[Feeds, Array], Array]
"""From inputs and an output to a mask of its leading axes: which of its rows are compared."""

TOLERANCE = 1e-9


# -- a random original


def draw_parameters(module: nn.Module, seed: int = 0) -> None:
    """Draw every parameter and every statistic, rounded to float32: no bias stays 0, no weight of a norm 1."""
    random = torch.Generator().manual_seed(seed)

    def normal(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=random, dtype=torch.float64)

    with torch.no_grad():
        for name, parameter in learned_tensors(module):
            fan_in = max(1, parameter[0].numel()) if parameter.dim() > 1 else 1
            drawn = normal(parameter) / fan_in**0.5
            if parameter.dim() < 2:
                drawn = 0.2 * drawn + (1.0 if name.endswith("weight") else 0.0)
            parameter.copy_(drawn.float())
        for name, buffer in module.named_buffers():
            kind = name.rpartition(".")[2]
            if kind in ("running_mean", "mean"):
                buffer.copy_(normal(buffer).float())
            elif kind in ("running_var", "scale"):
                buffer.copy_((0.5 + normal(buffer).abs()).float())


def learned_tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    """Return the parameters by name, and the weights and biases that a frozen norm holds as buffers."""
    buffers = dict(module.named_buffers())
    norms = [name.removesuffix("running_mean") for name in buffers if name.endswith("running_mean")]
    frozen = [
        (norm + kind, buffers[norm + kind]) for norm in norms for kind in ("weight", "bias") if norm + kind in buffers
    ]
    return [*module.named_parameters(), *frozen]


def original_in_double(model_class: Any, config: Any, state: Mapping[str, Tensor]) -> nn.Module:
    """Return the original in float64 with these weights; its tables, which no file holds, are calculated in float64."""
    with promoted():
        model: nn.Module = model_class(config)
    model.load_state_dict(state)
    model.eval()
    floats = [*model.named_parameters(), *model.named_buffers()]
    wrong = [name for name, x in floats if x.is_floating_point() and x.dtype != torch.float64]
    assert not wrong, f"not in float64: {wrong}"
    for name, buffer in model.named_buffers():
        if name.endswith("inv_freq") and buffer.numel() > 1:
            assert not torch.equal(buffer, buffer.float().double()), f"{name} was rounded to float32"
    return model


@dataclass(frozen=True)
class Pair:
    """An original in float64, and the same model imported."""

    original: nn.Module
    imported: Imported

    @property
    def module(self) -> nn.Module:
        """The module of stackc in float64, read back from the spec that was written."""
        return in_double(lower_with_weights(check_spec(self.imported.spec), None, 0).eval())


def import_random(
    model_class: Any,
    config: Any,
    folder: Path,
    *,
    spec: str | None = None,
    out: str = "imported",
    seed: int = 0,
    unread: int = 0,
) -> Pair:
    """Save a random module of the class into `folder`, import it, and check which spec of the zoo it took.

    `unread` is how many numbers of the original's parameters nothing reads, so that the spec lacks them.
    """
    config._attn_implementation = config._experts_implementation = "eager"
    torch.manual_seed(seed)
    model = model_class(config).eval()
    draw_parameters(model, seed)
    model.save_pretrained(folder / "original")
    imported = import_from(folder / "original", folder / out, ImportOptions(name="model"))
    if spec is not None:
        assert imported.zoo_spec == spec
    assert imported.checked.cost.parameters == sum(x.numel() for _, x in learned_tensors(model)) - unread
    return Pair(original_in_double(model_class, config, model.state_dict()), imported)


def change_config(folder: Path, *removed: str, **changes: Any) -> Path:
    """Set keys of the config.json of a folder, and remove others; return its path."""
    path = folder / "config.json"
    keys = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in keys.items() if key not in removed}
    path.write_text(json.dumps(kept, indent=2), encoding="utf-8")
    return path


# -- inputs


def masks(batch: int, length: int, seed: int = 0) -> dict[str, Array]:
    """Return masks by name: full, padded on the right, padded on the left, random; none leaves a row without a key."""
    counts = [max(1, length - (i * length) // batch) for i in range(batch)]
    right = np.array([[int(j < count) for j in range(length)] for count in counts])
    drawn = np.random.default_rng(seed).integers(0, 2, (batch, length))
    drawn[:, length // 2] = 1
    return {"full": np.ones_like(right), "right": right, "left": right[:, ::-1].copy(), "random": drawn}


def token_feeds(
    vocab: int, *, types: int | None = None, batch: int = 3, length: int = 11, seed: int = 0, **more: Array
) -> list[Feeds]:
    """Return the inputs of a text model under each of the masks; `types` are those of token_type_ids, if it has any."""
    random = np.random.default_rng(seed)
    ids: dict[str, Array] = {"input_ids": random.integers(0, vocab, (batch, length))}
    if types is not None:
        ids["token_type_ids"] = random.integers(0, types, (batch, length))
    return [{**ids, "attention_mask": mask, **more} for mask in masks(batch, length, seed).values()]


def decoder_feeds(
    vocab: int, *, length: int, target: int, target_vocab: int | None = None, seed: int = 1
) -> list[Feeds]:
    """Return the inputs of an encoder and a decoder of text, both under each of the masks."""
    ids = np.random.default_rng(seed).integers(0, target_vocab or vocab, (3, target))
    return [
        {**feeds, "decoder_input_ids": ids, "decoder_attention_mask": mask}
        for feeds, mask in zip(token_feeds(vocab, length=length), masks(3, target, seed).values(), strict=True)
    ]


def every_row(feeds: Feeds, output: Array) -> Array:
    """Keep all: no query of an encoder is without a key."""
    return np.ones(output.shape[:1], bool)


def causal_rows(feeds: Feeds, output: Array) -> Array:
    """Keep the queries of a decoder that have a key: those before the first one of a left-padded row have none."""
    mask: Array = feeds["attention_mask"]
    kept = np.asarray(np.cumsum(mask, axis=1) > 0)
    return kept if output.shape[:2] == mask.shape else np.asarray(kept.any(axis=1))


def decoder_rows(feeds: Feeds, output: Array) -> Array:
    """Keep what the encoder returns, and the queries of the decoder that have a key."""
    kept: Array = np.cumsum(feeds["decoder_attention_mask"], axis=1) > 0
    return kept if output.shape[:2] == kept.shape else np.ones(output.shape[:1], bool)


def rows_with_keys_in(window: int) -> Kept:
    """Return a function that keeps the queries of a decoder that have a key among the last `window` positions."""

    def kept(feeds: Feeds, output: Array) -> Array:
        seen = np.cumsum(feeds["attention_mask"], axis=1)
        before = np.pad(seen, ((0, 0), (window, 0)))[:, : seen.shape[1]]
        return np.asarray(seen > before)

    return kept


# -- comparison


def hold_to(
    model_class: Any,
    config: Any,
    folder: Path,
    feeds: Sequence[Feeds],
    *,
    spec: str | None = None,
    kept: Kept = every_row,
    names: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
    unread: int = 0,
) -> Pair:
    """Hold the imported module to the original in float64, on each of the inputs.

    Inputs and outputs of the spec have the names of the original's arguments and results; `names` has those that
    differ, from the spec's to the original's.
    """
    pair = import_random(model_class, config, folder, spec=spec, seed=seed, unread=unread)
    module, program = pair.module, pair.imported.checked.program
    assert {name for feed in feeds for name in feed} == {*program.inputs}

    for feed in feeds:
        ours = run_ours(module, [*program.inputs], [*program.outputs], feed)
        theirs = run_original(pair.original, feed, [*program.outputs], names or {})
        for name, expected in theirs.items():
            rows = kept(feed, expected)
            assert rows.any()
            assert_close(ours[name][rows], expected[rows], name, tolerance)
    return pair


def run_ours(module: nn.Module, inputs: Sequence[str], outputs: Sequence[str], feed: Feeds) -> dict[str, Array]:
    """Run stackc's module in float64."""
    with torch.no_grad():
        values = as_tuple(module(*(_tensor(feed[name]) for name in inputs)))
    return {name: value.numpy() for name, value in zip(outputs, values, strict=True)}


def run_original(
    original: nn.Module, feed: Feeds, outputs: Sequence[str], names: Mapping[str, str]
) -> dict[str, Array]:
    """Run the original in float64, and return what the spec returns: attributes of the result, or all of it."""
    arguments = {names.get(name, name): _tensor(array) for name, array in feed.items()}
    with torch.no_grad(), promoted():
        results = original(**arguments)
    if isinstance(results, Tensor):
        (name,) = outputs
        return {name: results.numpy()}
    return {name: getattr(results, names.get(name, name)).numpy() for name in outputs}


def _tensor(array: Array) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.double() if tensor.is_floating_point() else tensor


def assert_close(ours: Array, theirs: Array, name: str, tolerance: float = TOLERANCE) -> None:
    """Require the same type and shape, and no distance beyond a share of the largest number."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), name
    if theirs.dtype.kind != "f":
        np.testing.assert_array_equal(ours, theirs, name)
        return
    assert theirs.dtype == np.float64
    largest = float(np.abs(theirs).max())
    distance = float(np.abs(ours - theirs).max())
    assert distance <= tolerance * largest, f"{name}: {distance / largest:.1e} of the largest number"


# -- the rest of what a family shows


def check_defaults(spec: str, config_class: Any, **arguments: Any) -> None:
    """Hold the defaults that a spec states to those of the config class, and require one for each key that has one.

    `arguments` are those of the class that `architectures` needs, such as sizes without a default.
    """
    decl = zoo_document(spec).huggingface
    assert decl is not None
    config = config_class(**arguments)
    keys = json.loads(json.dumps(config.to_dict(), default=str))  # tuples are lists in a file
    keys |= {name: getattr(config, name) for name in config_class.attribute_map if hasattr(config, name)}

    stated = {key: _plain(entry.value.data) for key, entry in decl.defaults.items()}
    real = {key: nested_value(keys, key) for key in stated}
    assert stated == real

    read = {key for param in decl.params.values() for key in param.keys} | {*decl.requires}
    with_default = {
        key for key in read if nested_value(keys, key) is not ABSENT and nested_value(keys, key) is not None
    }
    # a count of labels, and what the class derives from other keys, are defaults of the param
    derived = {key for param in decl.params.values() if param.default for key in param.keys}
    derived |= {key for key, entry in decl.requires.items() if isinstance(entry.value.data, Mapping)}
    assert with_default - derived <= {*stated}


def _plain(value: Any) -> Any:
    return [_plain(each.data) for each in value] if isinstance(value, tuple) else value


def build_small(model_class: Any, config: Any, folder: Path, *, unread: int = 0, **options: Any) -> Built:
    """Import a random module of the class, and build it with the proof."""
    pair = import_random(model_class, config, folder, unread=unread)
    built = build(pair.imported.spec, Options(out=folder / "exported", measure=False, **options))
    assert built.parity is not None
    return built
