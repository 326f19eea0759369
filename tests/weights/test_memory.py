"""Weights stream: memory of one's own follows the largest tensor, not the file, through expressions too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

DIM, LAYERS = 1024, 12
SPEC = f"""\
stackc: 1
params: {{dim: {DIM}}}
inputs: {{x: {{shape: [batch, dim]}}}}
graph: x --> s[stack]
nodes: {{s: {{of: qkv, repeat: {LAYERS}}}}}
blocks:
  qkv:
    inputs: [x]
    graph: x --> q[linear] --> k[linear] --> v[linear]
    nodes: {{q: {{out: dim, bias: false}}, k: {{out: dim, bias: false}}, v: {{out: dim, bias: false}}}}
weights:
  map:
    s.{{i}}.q.weight: l.{{i}}.reshape(4, 3, -1, dim)[:, 0].reshape(dim, dim) + 1
    s.{{i}}.k.weight: cat(l.{{i}}[:dim//2], l.{{i}}[-dim//2:])
    s.{{i}}.v.weight: l.{{i}}[2*dim:].T
"""
MEASURED = """\
import re, sys, threading, time
from pathlib import Path
from stackc.artifact.stored_weights import find_all_weights
from stackc.frontend import check_spec
from stackc.weights.files.writing import write_safetensors

def own():  # what this process has for itself, without pages of files: in bytes
    return 1024 * int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

folder = Path(sys.argv[1])
checked, before, most, done = check_spec(folder / "spec.yaml"), own(), [0], threading.Event()

def watch():
    while not done.wait(0.002):
        most[0] = max(most[0], own() - before)

watcher = threading.Thread(target=watch)
watcher.start()
weights = find_all_weights(checked, folder / "w.safetensors")
write_safetensors(folder / "own.safetensors", weights, weights.types)
done.set()
watcher.join()
print(most[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone says how much memory is one's own")
def test_weights_of_a_large_file_take_the_memory_of_a_tensor(tmp_path: Path) -> None:
    save_file({f"l.{i}": np.ones((3 * DIM, DIM), np.float32) for i in range(LAYERS)}, tmp_path / "w.safetensors")
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, text=True, check=True)
    size, tensor = (tmp_path / "w.safetensors").stat().st_size, 4 * DIM * DIM
    assert int(done.stdout) < 6 * tensor < size / 5
