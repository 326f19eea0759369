"""`stackc tune`: with times that are given, what is chosen, why the others are not, and that a search goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from stackc.artifact.folder import load_artifact
from stackc.artifact.verify import verify
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_spec
from stackc.ir.budget import Budget
from stackc.pipeline import Built, Options, build, lower_with_weights
from stackc.precision.formats import Format
from stackc.precision.request import Tuning
from stackc.precision.tuned import TunedCandidate
from stackc.timing.statistics import Comparison, Repetition, compare_candidates
from stackc.tuning import knapsack, tables
from stackc.tuning import measure as measuring
from stackc.tuning import search as searching
from stackc.tuning.task_budget import perplexity

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: small
dims: {batch: {max: 6}, seq: {max: 13}}
inputs: {ids: {dtype: int64, shape: [batch, seq], below: 20}}
graph: ids --> word[embedding] --> one[mlp] --> norm[layer_norm] --> two[mlp] --> head[linear]
nodes: {word: {vocab: 20, dim: 32}, one: {hidden: 64}, two: {hidden: 64}, head: {out: 20}}
outputs: {logits: head}
"""
CLASSIFIER = """\
stackc: 1
name: digits
inputs: {x: {shape: [batch, 16], min: -1, max: 1}}
graph: x --> hidden[linear] --> gelu --> head[linear]
nodes: {hidden: {out: 32}, head: {out: 4}}
outputs: {logits: head}
train:
  inputs: {label: {dtype: int64, shape: [batch], below: 4}}
  graph: |
    logits --> loss[cross_entropy]
    label -->|target| loss
  data: {train: data.npz, batch: 8}
  epochs: 1
  metrics: {accuracy: {of: logits, target: label}}
"""
PRODUCTS = {"float32": 1.0, "int8": 0.4, "int8-weights": 0.5, "int4-weights": 0.2}


def constant(times: Mapping[str, float]) -> Comparison:
    return compare_candidates(list(times), [Repetition(np.tile(np.array(list(times.values())), (8, 1)))])


@dataclass
class GivenTimes:
    """Takes the place of the clock: the n-th candidate takes the n-th of these times, in units of float32's."""

    candidates: list[float] = field(default_factory=lambda: [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1])
    measured: int = 0
    interrupted_at: int | None = None

    def candidate(self, runs: Mapping[str, Callable[[], object]], **_: Any) -> Comparison:
        if self.measured == self.interrupted_at:
            raise KeyboardInterrupt
        for run in runs.values():
            run()
        self.measured += 1
        return constant({"float32": 1.0, "candidate": self.candidates[(self.measured - 1) % len(self.candidates)]})

    def product(self, runs: Mapping[str, Callable[[], object]], **_: Any) -> Comparison:
        return constant({name: PRODUCTS[name] for name in runs})


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> GivenTimes:
    given = GivenTimes()
    monkeypatch.setattr(measuring, "measure", given.candidate)
    monkeypatch.setattr(tables, "measure", given.product)
    monkeypatch.setattr(searching, "has_openvino", lambda: False)
    return given


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SPEC, encoding="utf-8")
    return tmp_path / "small.yaml"


def tune(spec: Path, tuning: Tuning, *, seed: int = 0, cache: bool = False) -> Built:
    out = spec.parent / "out"
    return build(spec, Options(out=out, measure=False, tune=tuning, seed=seed, cache=cache, threads=2))


def candidates(built: Built) -> dict[str, TunedCandidate]:
    assert built.precision is not None
    assert built.precision.tuned is not None
    return {candidate.name: candidate for candidate in built.precision.tuned.candidates}


def refused(spec: Path, tuning: Tuning) -> tuple[str, str]:
    with pytest.raises(SpecError) as caught:
        tune(spec, tuning)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.hint
    return diagnostic.code, diagnostic.message


def test_the_fastest_within_the_budget_is_built(spec: Path, times: GivenTimes) -> None:
    """Later candidates take less time here: int4-weights the least of the uniform ones, but it is beyond the budget."""
    built = tune(spec, Tuning(budget=Budget(cosine=0.9995), mixed=False))
    found = candidates(built)
    assert next(iter(found)) == "int8-weights"
    assert found["int8-weights"].reason == "chosen"
    assert found["int4-weights"].speed is not None
    assert found["int4-weights"].speed.ratio < 0.6
    assert found["int4-weights"].reason.endswith(": beyond cosine ≥ 0.9995")
    assert found["float16"].reason == found["int8"].reason == "slower than int8-weights"
    assert found["int8-static"].reason == "needs data to measure ranges on: `--data FILE.npz`"
    assert found["openvino"].reason == "openvino is not installed: pip install openvino"
    assert "the chosen file is faster with it: `--threads 1`" in {c.reason for c in found.values()}

    manifest = load_artifact(built.folder).manifest
    assert manifest.format == "int8-weights"
    listed = {each["name"]: each for each in manifest.precision["tuning"]["candidates"]}
    assert listed.keys() == found.keys()
    assert listed["int8"]["cosine"] == found["int8"].cosine
    assert {each["path"] for each in manifest.precision["components"]} == {"one", "two", "head"}
    page = (built.folder / "report.html").read_text(encoding="utf-8")
    assert "<polyline" in page
    assert "not faster" in page or "slower than int8-weights" in page
    assert verify(built.folder).distances[0].found > 0


def test_mixed_formats_within_a_budget_that_the_fastest_format_breaks(spec: Path, times: GivenTimes) -> None:
    """Products in 4 bits are fastest here: all of them are beyond the budget, some of them are within it."""
    built = tune(spec, Tuning(budget=Budget(cosine=0.997)))
    found = candidates(built)
    chosen = next(iter(found.values()))
    assert chosen.name.startswith("mixed")
    assert "int4-weights" in chosen.formats.values()
    assert set(found["mixed 1"].formats.values()) == {"int4-weights"}
    assert not found["mixed 1"].within
    manifest = load_artifact(built.folder).manifest
    assert dict(manifest.precision["formats"]) == dict(chosen.formats)
    assert min(row["cosine"] for row in manifest.precision["outputs"]) >= 0.997


def test_float32_stays_if_nothing_is_faster_beyond_noise(spec: Path, times: GivenTimes) -> None:
    times.candidates = [1.0, 1.2] * 8
    built = tune(spec, Tuning(mixed=False))
    found = candidates(built)
    assert next(iter(found)) == "float32"
    assert found["int8"].reason == "not faster than float32 beyond noise"
    manifest = load_artifact(built.folder).manifest
    assert manifest.format == "float32"
    assert len(manifest.precision["tuning"]["candidates"]) == len(found)
    verify(built.folder)


def test_an_interrupted_search_goes_on(
    spec: Path, times: GivenTimes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKC_CACHE", str(tmp_path / "cache"))
    wanted = Tuning(budget=Budget(cosine=0.9), mixed=False)
    times.interrupted_at = 3
    with pytest.raises(KeyboardInterrupt):
        tune(spec, wanted, cache=True)
    assert not (tmp_path / "out" / "small").exists()

    times.interrupted_at = None
    found = candidates(tune(spec, wanted, cache=True))
    uniform = [found[name] for name in ("float16", "bfloat16", "int8", "int8-weights", "int4-weights")]
    assert [candidate.kept for candidate in uniform] == [True, True, True, False, False]

    # another budget of the same file measures nothing again, and other weights everything
    measured = times.measured
    again = candidates(tune(spec, Tuning(budget=Budget(cosine=0.9999), mixed=False), cache=True))
    assert again["int4-weights"].kept
    assert not again["int4-weights"].within
    assert times.measured - measured <= 2  # settings of another chosen file
    others = candidates(tune(spec, wanted, cache=True, seed=1))
    assert not others["int8"].kept


def test_what_is_kept_is_in_no_candidate(spec: Path, times: GivenTimes) -> None:
    found = candidates(tune(spec, Tuning(("two", "head"), Budget(cosine=0.9), mixed=False)))
    touched = {weight.split(".")[0] for candidate in found.values() for weight in candidate.formats}
    assert touched == {"word", "one"}
    assert refused(spec, Tuning(("too",))) == ("P733", "--keep too: no weight of that name changes its format")


# -- budgets of a task


def test_a_drop_of_accuracy(tmp_path: Path, times: GivenTimes) -> None:
    """Labels are what the float32 file says: its accuracy is 1, and that of another is the share where they agree."""
    spec = tmp_path / "digits.yaml"
    spec.write_text(CLASSIFIER, encoding="utf-8")
    x = np.random.default_rng(0).uniform(-1, 1, (400, 16)).astype(np.float32)
    with torch.no_grad():
        label = lower_with_weights(check_spec(spec), None, 0).eval()(torch.from_numpy(x)).argmax(dim=1).numpy()
    np.savez(tmp_path / "data.npz", x=x, label=label)

    data = tmp_path / "data.npz"
    built = tune(spec, Tuning(budget=Budget(metric="accuracy", drop=0.03), data=data, mixed=False))
    found = candidates(built)
    assert built.session is not None
    agree = float(np.mean(built.session.run({"x": x})["logits"].argmax(axis=1) == label))
    assert next(iter(found.values())).figures["accuracy"] == pytest.approx(agree)
    assert agree >= 0.97
    figures = load_artifact(built.folder).manifest.precision["figures"]
    assert figures["accuracy"] == pytest.approx([1.0, agree])
    worst = min(found.values(), key=lambda each: each.figures.get("accuracy", 1.0))
    assert worst.name == "int4-weights"
    assert worst.within == (worst.figures["accuracy"] >= 0.97)

    strict = tune(spec, Tuning(budget=Budget(metric="accuracy", drop=0.0), data=data, mixed=False))
    assert "accuracy is 0.9" in candidates(strict)["int4-weights"].reason

    code, message = refused(spec, Tuning(budget=Budget(metric="acuracy", drop=0.1), data=data))
    assert (code, message) == ("P737", "the budget is for 'acuracy', which train does not compute")
    assert refused(spec, Tuning(budget=Budget(metric="accuracy", drop=0.1)))[0] == "P737"


@pytest.mark.parametrize("masked", [False, True])
def test_perplexity_is_that_of_pytorch(masked: bool) -> None:
    random = np.random.default_rng(0)
    tokens, logits = random.integers(0, 9, (4, 7)), random.normal(0, 3, (4, 7, 9)).astype(np.float32)
    mask = (random.random((4, 7)) < 0.7).astype(np.int64) if masked else np.ones((4, 7), np.int64)
    labels = torch.from_numpy(np.where(mask == 1, tokens, -100))[:, 1:]
    nll = torch.nn.functional.cross_entropy(torch.from_numpy(logits)[:, :-1].double().transpose(1, 2), labels)
    parts = [{"ids": tokens[:1], "mask": mask[:1]}, {"ids": tokens[1:], "mask": mask[1:]}]
    given = perplexity(parts, [logits[:1], logits[1:]], "ids", "mask" if masked else None)
    assert given == pytest.approx(float(nll.exp()), rel=1e-12)


def test_a_ratio_of_perplexities(spec: Path, tmp_path: Path, times: GivenTimes) -> None:
    np.savez(tmp_path / "text.npz", ids=np.random.default_rng(0).integers(0, 20, (5, 9)))
    data = tmp_path / "text.npz"
    found = candidates(tune(spec, Tuning(budget=Budget(perplexity_ratio=1.001), data=data, mixed=False)))
    assert next(iter(found.values())).within
    assert {"the perplexity"} == set(found["int8"].figures)

    flat = tmp_path / "flat.yaml"
    flat.write_text(CLASSIFIER, encoding="utf-8")
    np.savez(tmp_path / "flat.npz", x=np.zeros((2, 16), np.float32))
    code, message = refused(flat, Tuning(budget=Budget(perplexity_ratio=1.1), data=tmp_path / "flat.npz"))
    assert (code, message.split(",")[0]) == ("P737", "perplexity needs tokens [batch")


# -- the command


def test_the_plan_runs_nothing(spec: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["tune", str(spec), "--plan", "--cosine", "0.999"])
    assert done.exit_code == 0
    assert "budget      cosine ≥ 0.999" in done.output
    assert "candidate   int8-static: left out: it needs data, `--data FILE.npz`" in done.output
    plan = json.loads(CliRunner().invoke(cli, ["tune", str(spec), "--plan", "--no-mixed", "--json"]).output)
    assert "mixed" not in plan["candidates"]
    assert "one.up.weight" in plan["weights"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.yaml"]


def test_the_command_prints_every_candidate(spec: Path, times: GivenTimes, tmp_path: Path) -> None:
    options = ["tune", str(spec), "-o", str(tmp_path / "out"), "--no-mixed", "--cosine", "0.9", "--no-cache"]
    options += ["--threads", "2"]
    done = CliRunner().invoke(cli, options)
    assert done.exit_code == 0, done.output
    for name in ("float16", "int8-static", "int4-weights", "openvino", "chosen, 1 thread"):
        assert f" {name} " in done.output
    assert "int4-weights takes 0.50 of float32's time within cosine ≥ 0.9" in done.output


def test_without_scipy(spec: Path, times: GivenTimes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knapsack, "find_spec", lambda name: None)
    code, message = refused(spec, Tuning())
    assert (code, message) == ("R461", "mixed formats are searched with SciPy, which is not installed")


def test_a_metric_needs_its_drop(spec: Path) -> None:
    done = CliRunner().invoke(cli, ["tune", str(spec), "--metric", "accuracy"])
    assert done.exit_code == 2
    assert "--metric and --drop go together" in done.output


def test_every_format_has_its_time(spec: Path, times: GivenTimes) -> None:
    """The real clock, for a moment: every format that a product can have is timed beside float32."""
    formats: tuple[Format, ...] = tables.MIXED
    assert set(tables.product_times(4, (32, 64), formats, "cpu", 1, 0.01)) == {"float32", *formats}


@pytest.mark.parametrize("command", [["build", "--quantize", "int8"], ["tune"]], ids=lambda words: words[0])
def test_error_a_decoding_step_reads_the_float32_weights(command: list[str], tmp_path: Path) -> None:
    """Before the long work: its file shares the data, which another format would replace."""
    spec = tmp_path / "gpt2.yaml"
    text = (Path(__file__).parents[2] / "specs" / "gpt2.yaml").read_text(encoding="utf-8")
    decode = "\ndecode: {along: seq, inputs: [input_ids], whole: [attention_mask], outputs: [logits]}\n"
    spec.write_text(text + decode, encoding="utf-8")
    done = CliRunner().invoke(cli, [command[0], str(spec), *command[1:], "-o", str(tmp_path / "out")])
    assert isinstance(done.exception, SpecError), done.output
    (found,) = done.exception.diagnostics
    assert (found.code, found.span and found.span.line) == ("P738", text.count("\n") + 2)
    assert not (tmp_path / "out").exists()
