"""`show --as torch`: one file of plain PyTorch that loads the same weights and gives the same outputs."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.hub.small_sizes import small_params
from torch import Tensor

from stackc.components.construction import construct
from stackc.components.families.activation import Relu
from stackc.frontend import Checked, Overrides, check_source, check_spec
from stackc.spec.source import Source
from stackc.torch_backend.torch_file import write_torch

pytestmark = pytest.mark.slow

Pairs = dict[str, list[tuple[Tensor, Tensor]]]
Compare = Callable[[Mapping[str, Checked], Path], Pairs]

ROOT = Path(__file__).parents[2]
SPECS = {path.name: path for path in sorted((ROOT / "specs").iterdir())}
SMALL = {
    "bert_base.yaml": {"vocab": "97", "dim": "32", "layers": "3", "heads": "4", "hidden": "48"},
    "deep_bert.yaml": {"vocab": "97", "dim": "32"},
    "detr.yaml": {"channels": "4", "dim": "32", "heads": "4", "hidden": "40", "layers": "2", "queries": "5"},
    "ensemble.yaml": {"vocab": "97", "dim": "32"},
    "gpt2.yaml": {"vocab": "97", "dim": "32", "layers": "3", "heads": "4"},
    "llama.yaml": {"vocab": "97", "dim": "48", "layers": "3", "heads": "6", "kv_heads": "2", "hidden": "80"},
    "minilm.yaml": {"vocab": "97", "dim": "32", "heads": "4"},
    "t5.yaml": {"vocab": "97", "dim": "32", "heads": "4", "head_dim": "6", "hidden": "48", "layers": "2"},
    "two_tower.yaml": {"users": "50", "catalogue": "40", "genres": "5", "dim": "16", "hidden": "24"},
    "unet.yaml": {"width0": "4"},
}

HEAD = "stackc: 1\nname: t\ninputs: {x: {shape: [batch, seq, 8]}}\n"
AWKWARD = {
    "names": """\
        graph: |
          x --> a-b[linear] --> ﬁne[relu] --> 子模型[linear] --> lambda[gelu] --> 3[linear] --> l[tanh] --> I[linear]
        nodes:
          a-b: {out: 8, reparam: {weight: minmax}}
          子模型: {out: 8}
          3: {out: 8, tie: {weight: 子模型.weight}}
          I: {out: 8}
        """,
    "stacks": """\
        graph: |
          x --> once[stack] --> series[stack] --> again[stack] --> beside[stack] --> mixed[stack] --> gated[stack]
          gated --> joined[stack] --> nested[stack] --> y[linear]
        nodes:
          once:   {of: linear, with: {out: 8}}
          series: {of: branch, repeat: 3, with: {width: 4 * 2**index}}
          again:  {of: linear, repeat: 3, share: true, with: {out: 8}}
          beside: {of: [branch, linear, identity], mode: sum, with: {out: 8}, norm: layer_norm}
          mixed:  {of: linear, repeat: 2, mode: weighted, with: {out: 8}}
          gated:  {of: branch, repeat: 2, mode: gated}
          joined: {of: [linear, tanh], mode: concat, with: {out: 4}}
          nested: {of: deep, repeat: 2, norm: {op: rms_norm, eps: 1e-6}, norm_every: 2}
          y:      {out: 2, tie: {bias: nested.0.inner.1.up.bias}}
        blocks:
          branch:
            params: {width: 4}
            inputs: [x]
            graph: x --> up[linear] --> gelu --> down[linear]
            nodes: {up: {out: width}, down: {out: 8}}
          deep:
            inputs: [x]
            graph: x --> inner[stack] --> out[linear]
            nodes: {inner: {of: narrow, repeat: 2}, out: {out: 12}}
          narrow:
            inputs: [x]
            graph: x --> up[linear] --> down[linear]
            nodes: {up: {out: 2}, down: {out: 12}}
        outputs: {y: y, first: series.1, inner: series.2.up, whole: series}
        """,
    "extents": """\
        dims: {seq: {min: 2}}
        graph: |
          x --> joined[reshape] --> parted[unflatten] --> left[slice] --> both[add] --> turned[reshape]
          x -->|like| parted
          parted --> right[slice] --> both
          parted --> some[slice]
        nodes:
          joined: {shape: [batch*seq, 4, 2]}
          parted: {axis: 0, size: [seq, 1]}
          left:   {axis: 1, size: seq - 1}
          right:  {axis: 1, start: 1}
          turned: {shape: [8*batch, seq - 1]}
          some:   {axis: 1, size: (seq + 1) // 3}
        outputs: {turned: turned, some: some}
        """,
    "several_outputs": """\
        graph: |
          x --> rnn[lstm] --> y[linear]
          rnn -->|c:| last[select]
          rnn -->|h:h0| next[gru]
          y --> next --> loose[relu] --> scaled[scale]
          last --> twice[add]
          last --> twice
        nodes:
          rnn:    {hidden: 6, bidirectional: true, reparam: {weight_hh_l0: weight_norm}}
          y:      {out: 8, reparam: {weight: {standardize: {axes: [1]}}}}
          last:   {axis: 0}
          next:   {hidden: 6, layers: 2}
          scaled: {factor: 2, offset: -1}
        outputs: {y: y, twice: twice, loose: loose, scaled: scaled, same: x}
        """,
    "tied": """\
        graph: x --> a[linear] --> b[linear] --> p[reduce] --> c[linear]
        nodes:
          a: {out: 8, tie: {weight: b.weight}}
          b: {out: 8, tie: {weight: c.weight}}
          p: {tie: {v.weight: c.weight}}
          c: {out: 8}
        blocks:
          reduce:
            inputs: [x]
            graph: |
              x --> u[linear] --> v[linear] --> g[gated_sum]
              v -->|branch| g
            nodes: {u: {out: 8, tie: {weight: v.weight}}, v: {out: 8}}
        """,
    "merged": """\
        graph: |
          x --> a[linear] --> y[linear]
          x --> b[linear] --> y
          x --> y --> z[mlp] --> once[spread]
          y --> again[spread] --> out
          once --> out[concat]
        nodes:
          a:     {out: 8}
          b:     {same_as: a}
          y:     {out: 8, merge: mean, reparam: {weight: spectral_norm}}
          z:     {hidden: 4, gated: true, activation: silu, reparam: {up.weight: standardize}}
          again: {kernel: 5}
        blocks:
          spread:
            params: {kernel: 3}
            inputs: [x]
            graph: x --> turned[transpose] --> conv[conv1d] --> back[transpose]
            nodes: {conv: {out: 8, kernel: kernel, padding: same}}
        """,
}


def checked(text: str) -> Checked:
    return check_source(Source("t.yaml", HEAD + textwrap.dedent(text)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("printed")


@pytest.fixture(scope="module")
def compared(compare: Compare, folder: Path) -> Pairs:
    specs = {
        name: check_spec(path, Overrides(params=SMALL.get(name) or small_params(path.stem)))
        for name, path in SPECS.items()
    }
    models = {name.partition(".")[0]: spec for name, spec in specs.items()}
    return compare(models | {name: checked(text) for name, text in AWKWARD.items()}, folder)


@pytest.mark.parametrize("name", [*(name.partition(".")[0] for name in SPECS), *AWKWARD])
def test_it_gives_the_same_outputs_with_the_same_state_dict(name: str, compared: Pairs) -> None:
    for printed, lowered in compared[name]:
        torch.testing.assert_close(printed, lowered, rtol=0, atol=0)


def test_ties_are_one_parameter() -> None:
    namespace: dict[str, Any] = {"__name__": "printed"}
    exec(write_torch(checked(AWKWARD["tied"]).typed), namespace)
    module = namespace["T"]()
    for path in ("a", "b", "p.u", "p.v"):
        assert module.get_parameter(f"{path}.weight") is module.get_parameter("c.weight")


def test_a_class_of_the_user_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "from torch import nn\nclass Mine(nn.Tanh):\n    def __init__(self, *sizes: int, gain: float = 1) -> None:\n"
    )
    (tmp_path / "user_code.py").write_text(
        source + "        super().__init__()\n        self.sizes, self.gain = sizes, gain\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    make = importlib.import_module("user_code").Mine
    monkeypatch.setattr(Relu, "construction", lambda self, x: construct(make, 3, 4, gain=2.0))
    printed = write_torch(checked("graph: x --> mine[relu]\n").typed)
    assert "import user_code\nfrom torch import Tensor, nn\n" in printed
    assert "        self.mine = user_code.Mine(3, 4, gain=2.0)\n" in printed


@pytest.mark.parametrize("arguments", [["format", "--check", "--diff"], ["check", "--extend-select", "A"]])
def test_ruff_has_nothing_to_say(arguments: list[str], compared: Pairs, folder: Path) -> None:
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    done = subprocess.run([*command, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_as_its_reader_sees_it() -> None:
    golden = Path(__file__).parent / "two_tower.py.txt"
    assert write_torch(check_spec(SPECS["two_tower.yaml"]).typed) == golden.read_text(encoding="utf-8")
