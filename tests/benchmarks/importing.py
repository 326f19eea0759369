"""From a folder of Hugging Face to a built model: whole processes, in turns with the exporters, and the memory taken.

BERT-base with random weights, as transformers saves it. `stackc import` and a cold build without the proof stand beside
`optimum-cli export onnx`, in an environment of its own; with the proof beside transformers' own exporter, which proves
nothing. Then 6 GB of a Llama are imported: memory of its own may rise over that of a tiny one by 2.5 of the largest
tensor. From the project's folder: `python -m tests.benchmarks.importing`. Linux alone shows that memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tests.benchmarks.against_optimum import optimum
from tests.benchmarks.memory import ALLOWED, Run, own_memory
from tests.benchmarks.timing_truth import processor

from stackc.core.versions import tool_versions
from stackc.runtime import open_session
from stackc.timing import measure

STACKC = [sys.executable, "-m", "stackc"]
SAVE = """\
import sys, torch
from transformers import BertConfig, BertModel
torch.manual_seed(0)
BertModel(BertConfig()).eval().save_pretrained(sys.argv[1])
"""
EXPORT = """\
import sys, torch
from transformers import AutoModel
from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter
model = AutoModel.from_pretrained(sys.argv[1]).eval()
inputs = {name: torch.ones(2, 16, dtype=torch.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
OnnxExporter().export(model, inputs, config=OnnxConfig(dynamic=True)).save_pretrained(sys.argv[2])
"""
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192,
    "num_attention_heads": 32, "num_hidden_layers": 20, "vocab_size": 32000, "max_position_embeddings": 2048,
}  # fmt: skip
PAIRS = {"without proof": ("optimum-cli", ["--no-verify"], 1.2), "with proof": ("transformers", ["--no-bench"], 1.5)}
"""Each way to build: its peer, its options, and how many times as fast it has to be."""


def main() -> None:
    """Print a row for each comparison, and one for memory; exit status 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of one process of each kind (default: 5)")
    parser.add_argument("--memory", action="store_true", help="the memory of the import alone")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    print(f"{processor()}, {os.cpu_count()} cores; {tool_versions()}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        reached = [_memory(Path(folder))]
        if not options.memory:
            reached += _times(Path(folder), options.rounds)
    sys.exit(not all(reached))


# -- time


def _times(folder: Path, rounds: int) -> list[bool]:
    """Time all in turns, and print how many times as fast as its peer each is."""
    model = folder / "bert"
    subprocess.run([sys.executable, "-c", SAVE, str(model)], check=True, capture_output=True)
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    export = [str(optimum()), "export", "onnx", "--model", str(model), "--task", "feature-extraction"]
    peers = {
        "optimum-cli": partial(run, [*export, str(folder / "optimum")]),
        "transformers": partial(run, [sys.executable, "-c", EXPORT, str(model), str(folder / "transformers")]),
    }

    reached = []
    for name, (peer, options, target) in PAIRS.items():
        ours = partial(_import_and_build, model, folder / name, options)
        compared = measure({peer: peers[peer], name: ours}, seconds=0, rounds=(rounds, rounds), window=1)
        (ratio,) = compared.ratios
        times = f"{1 / ratio.value:.2f} ({1 / ratio.high:.2f} to {1 / ratio.low:.2f}) times as fast as {peer}"
        seconds = f"{compared.timings[peer].median:.1f} s to {compared.timings[name].median:.1f} s"
        print(
            f"import, build {name}: {times}  [at least {target}]  {seconds}; cores busy: {compared.others}", flush=True
        )
        reached.append(1 / ratio.value >= target)
    _require_equal(folder)
    return reached


def _import_and_build(model: Path, out: Path, options: list[str]) -> None:
    """Import, then build with no component in the cache: two processes, as a user types them."""
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run([*STACKC, "import", str(model), "-o", str(out), "--name", "bert", "--force"])
    build = ["build", str(out / "bert.yaml"), "--no-cache", "--provider", "cpu", "--out", str(out)]
    run([*STACKC, *build, *options])


def _require_equal(folder: Path) -> None:
    """Speed means nothing where the numbers differ."""
    ids = np.random.default_rng(0).integers(0, 30522, (2, 16))
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    paths = [folder / "optimum", folder / "transformers", *(folder / name / "bert" for name in PAIRS)]
    sessions = [open_session(path / "model.onnx", "cpu") for path in paths]
    first, *others = (next(y for y in session.run(feeds).values() if y.ndim == 3) for session in sessions)
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-3, atol=1e-4)


# -- memory


def _memory(folder: Path) -> bool:
    """Print the memory of importing a Llama of 6 GB over that of importing one of a few kilobytes."""
    tiny = {**LLAMA, "hidden_size": 128, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 16}
    _, _, small = _llama(folder / "tiny", tiny)
    largest, size, large = _llama(folder / "large", LLAMA)
    baseline, run = (max((_import(model) for _ in range(3)), key=lambda run: run.own) for model in (small, large))

    above = (run.own - baseline.own) / largest
    print(f"import of {size / 1e9:.2f} GB of weights, the largest tensor {largest / 1e6:.0f} MB:", end=" ")
    print(f"{run.own / 1e6:.0f} MB of its own, {baseline.own / 1e6:.0f} MB with hardly any weights:", end=" ")
    print(f"{above:.2f} of the largest tensor  [at most {ALLOWED}]; {run.seconds:.1f} s", flush=True)
    return run.status == baseline.status == 0 and above <= ALLOWED


def _import(model: Path) -> Run:
    return own_memory([*STACKC, "import", str(model), "-o", str(model / "imported"), "--name", "model", "--force"])


def _llama(folder: Path, config: dict[str, Any]) -> tuple[int, int, Path]:
    """Write a folder of zeros, which take no room on disk; return the bytes of its largest tensor and of all."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with torch.device("meta"):
        tensors = LlamaForCausalLM(LlamaConfig(**config)).state_dict()
    header, end = {}, 0
    for name, tensor in tensors.items():
        start, end = end, end + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return max(4 * tensor.numel() for tensor in tensors.values()), end, folder


if __name__ == "__main__":
    main()
