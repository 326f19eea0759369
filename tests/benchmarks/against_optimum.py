"""How long a build takes: whole processes, in turns with `optimum-cli export onnx` of the same model and weights.

BERT-base with random weights, as transformers saves it. stackc's four rows are a build without its proof and with it,
each with every component compiled anew and with all of them in the cache. optimum-cli runs in a virtual environment of
its own, made at the first call: it pins an older transformers. What it exports is then run beside what stackc builds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from functools import partial
from pathlib import Path

import numpy as np

from stackc.core.versions import tool_versions
from stackc.runtime import open_session
from stackc.timing import Comparison, measure

SPEC = Path(__file__).parents[2] / "specs" / "bert_base.yaml"
HOME = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "stackc-benchmarks" / "optimum"
ROWS = {
    "cold, no proof": (["--no-verify", "--no-cache"], 1.5),
    "cold, with proof": (["--no-bench", "--no-cache"], 1.2),
    "cached, no proof": (["--no-verify"], 4.0),
    "cached, with proof": (["--no-bench"], 1.8),
}


def main() -> None:
    """Print a row for each way to build; exit status 1 where one misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of one process of each kind (default: 7)")
    rounds: int = parser.parse_args().rounds
    peer = optimum()
    os.environ["HF_HUB_OFFLINE"] = "1"
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {tool_versions()}")
    print(_versions(peer))
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(peer, Path(folder))
        run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        candidates = {name: partial(run, command) for name, command in commands.items()}
        compared = measure(candidates, seconds=0, rounds=(rounds, rounds), window=1)
        _require_equal(Path(folder))
    _print(compared)
    sys.exit(not all(ratio.value <= 1 / ROWS[ratio.candidate][1] for ratio in compared.ratios))


def optimum() -> Path:
    """The command of the peer, installed where it is not."""
    command = HOME / "bin" / "optimum-cli"
    if not command.exists():
        venv.create(HOME, with_pip=True, clear=True)
        subprocess.run([HOME / "bin" / "pip", "install", "--quiet", "optimum-onnx", "onnxruntime", "torch"], check=True)
    return command


def _versions(peer: Path) -> str:
    names = ("optimum-onnx", "transformers", "torch", "onnx", "onnxruntime")
    code = f"from importlib.metadata import version; print(*(f'{{n}} {{version(n)}}' for n in {names!r}), sep=', ')"
    done = subprocess.run([peer.with_name("python"), "-c", code], check=True, capture_output=True, text=True)
    return f"peer: {done.stdout.strip()}"


def _commands(peer: Path, folder: Path) -> dict[str, list[str]]:
    model = folder / "bert"
    save = "import sys, torch; from transformers import BertConfig, BertModel; torch.manual_seed(0)\n"
    save += "BertModel(BertConfig()).eval().save_pretrained(sys.argv[1])"
    subprocess.run([sys.executable, "-c", save, str(model)], check=True, capture_output=True)
    script = shutil.which("stackc", path=str(Path(sys.executable).parent))
    stackc = [script] if script else [sys.executable, "-m", "stackc"]
    weights = ["--weights", str(model / "model.safetensors"), "--provider", "cpu", "--out", str(folder)]
    export = [str(peer), "export", "onnx", "--model", str(model), "--task", "feature-extraction"]
    builds = {name: [*stackc, "build", str(SPEC), *weights, *options] for name, (options, _) in ROWS.items()}
    return {"optimum": [*export, str(folder / "optimum")], **builds}


def _require_equal(folder: Path) -> None:
    """Speed means nothing where the numbers differ."""
    numbers = np.random.default_rng(0)
    ids, mask = numbers.integers(0, 30522, (2, 9)), np.ones((2, 9), np.int64)
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    paths = (folder / "optimum" / "model.onnx", folder / "bert_base" / "model.onnx")
    theirs, ours = (open_session(path, "cpu").run(feeds)["last_hidden_state"] for path in paths)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def _print(compared: Comparison) -> None:
    for ratio in compared.ratios:
        faster = f"{1 / ratio.value:.2f} ({1 / ratio.high:.2f} to {1 / ratio.low:.2f})"
        seconds = f"{compared.timings['optimum'].median:.1f} s to {compared.timings[ratio.candidate].median:.1f} s"
        print(f"{ratio.candidate:18} {faster} times as fast  [at least {ROWS[ratio.candidate][1]}]  {seconds}")
    others = "unknown" if compared.others is None else f"{compared.others:.2f}"
    print(f"cores busy, these processes' own included: {others}")


if __name__ == "__main__":
    main()
