"""The proof of a model whose components are cached loads no compiler of PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """\
stackc: 1
name: gated
dims: {batch: {max: 2}}
inputs: {x: {shape: [batch, 6]}}
graph: x --> fc[linear] --> gelu --> y[softmax]
nodes: {fc: {out: 4}}
"""
BUILD = """\
import sys
from pathlib import Path
from stackc.pipeline import Options, build

built = build(Path("gated.yaml"), Options(out=Path("out"), measure=False))
assert built.parity and built.parity.rows and not built.parity.failures
print("torch" in sys.modules, "torch._dynamo" in sys.modules)
"""


@pytest.mark.slow
def test_a_second_proof_imports_no_dynamo(tmp_path: Path) -> None:
    (tmp_path / "gated.yaml").write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-c", BUILD]
    _, second = (subprocess.check_output(command, text=True, cwd=tmp_path).split() for _ in range(2))
    assert second == ["True", "False"]
