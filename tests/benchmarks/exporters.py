"""How fast imported models run: against eager PyTorch, torch.onnx and transformers' exporter, of the same weights.

Each model has its published size and random weights; transformers saves it, `stackc import` reads the folder, and the
peers export the class of transformers itself. A row is reached where the ratio of medians is at most 1.02 of the best
peer. Files are opened several times and run in turns, as in inference.py. A peer that cannot export a model is named
with its error. From the project's folder: `python -m tests.benchmarks.exporters`.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.benchmarks.inference import one_after_the_other, open_sessions
from tests.benchmarks.timing_truth import processor
from torch import Tensor
from transformers import PreTrainedModel

from stackc.core.versions import tool_versions
from stackc.hub.importing import ImportOptions, import_from
from stackc.pipeline import Options, build
from stackc.runtime import Feeds, Session
from stackc.timing import Candidate, Comparison, measure

TARGET = 1.02
DISTURBED = 0.15
OPSET = 23


@dataclass(frozen=True)
class Model:
    """A class of transformers, its config (published sizes are its defaults), two sets of shapes, and what varies."""

    name: str
    config: str
    shapes: tuple[Mapping[str, tuple[int, ...]], ...]
    settings: Mapping[str, Any]
    axes: Mapping[str, Mapping[int, str]]


IDS = {0: "batch", 1: "seq"}
TEXT = {"input_ids": IDS, "attention_mask": IDS}
IMAGE = {"pixel_values": {0: "batch"}}


def _text(batch: int, seq: int, *more: str) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(("input_ids", "attention_mask", *more), (batch, seq))


def _images(batch: int) -> dict[str, tuple[int, ...]]:
    return {"pixel_values": (batch, 3, 224, 224)}


def _speech(batch: int) -> dict[str, tuple[int, ...]]:
    return {"input_features": (batch, 80, 3000), "decoder_input_ids": (batch, 1), "decoder_attention_mask": (batch, 1)}


MODELS = {
    "bert": Model(
        "BertModel", "BertConfig", (_text(1, 128, "token_type_ids"), _text(8, 128, "token_type_ids")), {},
        {**TEXT, "token_type_ids": IDS},
    ),
    "gpt2": Model("GPT2LMHeadModel", "GPT2Config", (_text(1, 128), _text(4, 128)), {"use_cache": False}, TEXT),
    "vit": Model("ViTForImageClassification", "ViTConfig", (_images(1), _images(8)), {"num_labels": 1000}, IMAGE),
    "resnet": Model(
        "ResNetForImageClassification", "ResNetConfig", (_images(1), _images(8)), {"num_labels": 1000}, IMAGE
    ),
    # the encoder's 1,500 positions and a first step of the decoder
    "whisper": Model(
        "WhisperForConditionalGeneration", "WhisperConfig", (_speech(1), _speech(4)),
        {"d_model": 384, "encoder_layers": 4, "decoder_layers": 4, "encoder_attention_heads": 6,
         "decoder_attention_heads": 6, "encoder_ffn_dim": 1536, "decoder_ffn_dim": 1536, "vocab_size": 51865,
         "use_cache": False},
        {"input_features": {0: "batch"}, "decoder_input_ids": IDS, "decoder_attention_mask": IDS},
    ),
}  # fmt: skip


def main() -> None:
    """Print a row for each model and shape; exit status 1 where one is above its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), metavar="NAME")
    parser.add_argument("--threads", type=int, default=2, help="threads of every candidate (default: 2)")
    parser.add_argument("--seconds", type=float, default=20, help="time a row takes, at least (default: 20)")
    parser.add_argument("--sessions", type=int, default=2, help="sessions of each file (default: 2)")
    parser.add_argument("--attempts", type=int, default=2, help="runs of a row that other programs disturb")
    options = parser.parse_args()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.set_num_threads(options.threads)
    print(f"{processor()}, {options.threads} of {os.cpu_count()} cores, opset {OPSET}, {tool_versions()}", flush=True)
    sys.exit(not all([_reached(name, options) for name in options.models]))


def _reached(name: str, options: argparse.Namespace) -> bool:
    """Export a model in every way, and time its rows; whether all of them are reached."""
    wanted = MODELS[name]
    with tempfile.TemporaryDirectory() as folder:
        model = _saved(wanted, Path(folder))
        imported = import_from(Path(folder) / "original", Path(folder) / "imported", ImportOptions(name=name))
        built = build(imported.spec, Options(out=Path(folder), opset=OPSET, verify=False))

        files = {"stackc": built.folder / "model.onnx", **_exported(wanted, model, Path(folder))}
        sessions = open_sessions(files, options.sessions, options.threads)
        return all([_row_reached(name, shapes, model, sessions, options) for shapes in wanted.shapes])


def _row_reached(
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    model: PreTrainedModel,
    sessions: Mapping[str, list[Session]],
    options: argparse.Namespace,
) -> bool:
    """Time one row; whether it is within the target of the best peer."""
    feeds = _drawn(shapes)
    eager = partial(_several, model, {key: torch.from_numpy(x) for key, x in feeds.items()}, options.sessions)
    _require_equal({peer: group[0].run(feeds) for peer, group in sessions.items()}, eager()[0])

    candidates: dict[str, Candidate] = {peer: one_after_the_other(group, feeds) for peer, group in sessions.items()}
    return _timed(f"{name} {_label(shapes)}", {**candidates, "eager": eager}, options)


def _saved(wanted: Model, folder: Path) -> PreTrainedModel:
    """Save a random model of the class, and return it."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, wanted.config)(**wanted.settings)
    model: PreTrainedModel = getattr(transformers, wanted.name)(config).eval()
    model.save_pretrained(folder / "original")
    return model


def _exported(wanted: Model, model: PreTrainedModel, folder: Path) -> dict[str, Path]:
    """Export the class of transformers by each peer; one that fails is named with its error."""
    files = {}
    for peer, export in (("torch.onnx", _by_torch), ("transformers", _by_transformers)):
        (folder / peer).mkdir()
        try:
            files[peer] = export(wanted, model, folder / peer)
        except Exception as error:  # torch.onnx, torch.export and transformers have no common base of what they raise
            print(f"  {peer} does not export {wanted.name}: {type(error).__name__}: {str(error).splitlines()[0]}")
    return files


def _by_torch(wanted: Model, model: PreTrainedModel, folder: Path) -> Path:
    """One trace of the whole model."""
    inputs = _example(wanted)
    dynamic = {name: dict.fromkeys(wanted.axes[name], torch.export.Dim.DYNAMIC) for name in inputs}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model, kwargs=inputs, dynamo=True, optimize=True, opset_version=OPSET, verbose=False, dynamic_shapes=dynamic
        )
    assert program is not None
    program.save(folder / "model.onnx", external_data=True)
    return folder / "model.onnx"


def _by_transformers(wanted: Model, model: PreTrainedModel, folder: Path) -> Path:
    """The exporter that transformers itself has."""
    from transformers.exporters.configs import OnnxConfig
    from transformers.exporters.exporter_onnx import OnnxExporter

    inputs: dict[str, Any] = {**_example(wanted)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = OnnxExporter().export(model, inputs, config=OnnxConfig(dynamic=True))
        exported.save_pretrained(folder)
    return folder / "model.onnx"


def _example(wanted: Model) -> dict[str, Tensor]:
    """Draw inputs to trace, of the largest sizes: 2 at least along axes that vary, as torch.export fixes those of 1."""
    shapes = {
        name: tuple(max(size, 2) if axis in wanted.axes[name] else size for axis, size in enumerate(shape))
        for name, shape in wanted.shapes[-1].items()
    }
    return {name: torch.from_numpy(x) for name, x in _drawn(shapes).items()}


def _drawn(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    """Draw inputs: masks are full, other whole numbers are small ids, the rest is normal."""
    random = np.random.default_rng(0)
    drawn: dict[str, np.ndarray[Any, Any]] = {}
    for name, shape in shapes.items():
        if name.endswith("mask"):
            drawn[name] = np.ones(shape, np.int64)
        elif name.endswith("ids"):
            drawn[name] = random.integers(0, 2, shape)
        else:
            drawn[name] = random.standard_normal(shape, np.float32)
    return drawn


def _several(model: PreTrainedModel, inputs: Mapping[str, Tensor], times: int) -> list[Tensor]:
    """Run eagerly as often as a file has sessions; return the first output of each run."""
    with torch.inference_mode():
        return [model(**inputs)[0] for _ in range(times)]


def _require_equal(outputs: Mapping[str, Feeds], eager: Tensor) -> None:
    """Speed means nothing where the numbers differ."""
    for peer, named in outputs.items():
        first = next(iter(named.values()))
        np.testing.assert_allclose(first, eager.numpy(), rtol=1e-3, atol=1e-3, err_msg=peer)


def _label(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return "×".join(map(str, next(iter(shapes.values()))))


def _timed(size: str, candidates: Mapping[str, Candidate], options: argparse.Namespace) -> bool:
    """Time until nobody disturbs it; whether the ratio to the best peer is within the target."""
    runs: list[Comparison] = []
    for _ in range(options.attempts):
        runs.append(measure(candidates, seconds=options.seconds, rounds=(20, 5000)))
        if (runs[-1].others or 0.0) <= DISTURBED:
            break
    run = min(runs, key=lambda run: run.others or 0.0)

    rows = [
        f"{ratio.candidate} {1 / ratio.value:.3f} ({1 / ratio.high:.3f} to {1 / ratio.low:.3f})" for ratio in run.ratios
    ]
    medians = ", ".join(f"{name} {t.median / options.sessions * 1e3:.1f} ms" for name, t in run.timings.items())
    print(
        f"{size}: stackc over {', '.join(rows)}  [at most {TARGET}]; {medians}; cores of others {run.others}",
        flush=True,
    )
    return max(1 / ratio.value for ratio in run.ratios) <= TARGET


if __name__ == "__main__":
    main()
