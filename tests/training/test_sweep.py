"""`stackc train --sweep`: variants are runs of their specs; an interrupted sweep goes on; one page has all curves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file
from tests.training.digits import SPEC, TRAIN, write_digits

import stackc
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_spec
from stackc.training import TrainOptions
from stackc.training.sweep import make_variants, train_variants

pytestmark = pytest.mark.slow

PARAMS = SPEC.replace("inputs:", "params: {width: 4, rate: 1e-2}\ninputs:", 1).replace("out: 4", "out: width")


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = write_digits(tmp_path)
    path.write_text(PARAMS + TRAIN.replace("lr: 1e-2", "lr: rate").replace("epochs: 3", "epochs: 1"), encoding="utf-8")
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["train", "digits.yaml", *arguments])


def test_variants_are_the_runs_of_their_specs(spec: Path) -> None:
    done = run("--sweep", "width=2,4", "--sweep", "rate=1e-3,1e-2")
    assert done.exit_code == 0, done.output
    names = [f"width={width},rate={rate}" for width in (2, 4) for rate in ("1e-3", "1e-2")]
    assert {path.name for path in Path("runs/digits").iterdir()} == {*names, "report.html"}

    alone = stackc.train(spec, TrainOptions(out=Path("alone")), params={"width": 2, "rate": 1e-3})
    ours = load_file(Path("runs/digits", names[0], "model.safetensors"))
    theirs = load_file(alone.folder / "model.safetensors")
    assert [name for name in theirs if not np.array_equal(ours[name], theirs[name])] == []

    rows = re.findall(r"^ *(\d) +(1e-\d) +(\d+) +1 +(\d\.\d+) +(\d\.\d+)", done.output, re.MULTILINE)
    assert [row[:3] for row in rows] == [("2", "1e-3", "354"), ("2", "1e-2", "354"), ("4", "1e-3", "698"),
                                         ("4", "1e-2", "698")]  # fmt: skip
    assert float(rows[0][3]) == pytest.approx(alone.means["loss"], rel=1e-3)

    page = Path("runs/digits/report.html").read_text(encoding="utf-8")
    assert re.findall(r"<figcaption>(.*?)</figcaption>", page) == [
        "training loss", "validation: loss", "validation: accuracy"
    ]  # fmt: skip
    assert all(page.count(f"{name} <b>") == 3 for name in names)


def test_an_interrupted_sweep_goes_on(spec: Path) -> None:
    variants = make_variants({"width": ["2", "3", "4"]}, Overrides(), lambda each: check_spec(spec, each))
    seen = 0

    def fail(event: dict[str, Any]) -> None:
        nonlocal seen
        seen += "lr" in event
        if seen == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(train_variants(variants, Path("runs/digits"), TrainOptions(), fail))
    assert not Path("runs/digits/width=4").exists()
    first = Path("runs/digits/width=2/checkpoint.safetensors").stat().st_mtime_ns

    done = run("--sweep", "width=2,3,4", "--resume", "--json")
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert [line["params"] for line in lines if "params" in line] == [{"width": w} for w in ("2", "3", "4")]
    assert sum("lr" in line for line in lines) == 14  # the second one starts again: it had no checkpoint yet
    assert Path("runs/digits/width=2/checkpoint.safetensors").stat().st_mtime_ns == first


def test_error_variants_that_are_wrong(spec: Path) -> None:
    """All are checked before any is trained."""
    done = run("--sweep", "width=2,0")
    assert isinstance(done.exception, SpecError)
    assert not Path("runs").exists()
    done = run("--sweep", "width=2,(2")
    assert done.exit_code != 0
    with pytest.raises(SpecError, match=r"L209.*two variants of the sweep would be the folder 'width=2_1'"):
        make_variants({"width": ["2*1", "2+1"]}, Overrides(), lambda each: check_spec(spec, each))


@pytest.mark.parametrize(("texts", "message"), [(["width"], "is not NAME=A,B"), (["width=1,,2"], "is not NAME=A,B"),
                                                (["width=1", "width=2"], "width is swept twice")])  # fmt: skip
def test_error_wrong_sweeps(spec: Path, texts: list[str], message: str) -> None:
    done = run(*(part for text in texts for part in ("--sweep", text)))
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())
