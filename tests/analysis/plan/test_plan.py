"""Plans: counts against closed forms and against PyTorch, peaks against a run by hand, what fits against both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stackc.analysis.plan.fit import Fit, peak
from stackc.analysis.plan.footprint import PRECISIONS
from stackc.analysis.plan.planning import Plan, make_plan
from stackc.cli import table
from stackc.cli.plan import command
from stackc.core.types import Dim
from stackc.frontend import Overrides, check_source, check_spec
from stackc.ir.typed import TypedGraph
from stackc.spec.source import Source

SPECS = Path(__file__).parents[3] / "specs"
GPT3 = Path(__file__).parents[2] / "benchmarks" / "gpt3.yaml"
FLOAT32, FLOAT16, INT8 = PRECISIONS.values()
BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")


def typed_of(graph: str, nodes: str, rest: str = "", shape: str = "[batch, 64]") -> TypedGraph:
    indented = "\n".join(f"  {line}" for line in graph.splitlines())
    text = f"stackc: 1\nname: test\ninputs: {{x: {{shape: {shape}}}}}\ngraph: |\n{indented}\nnodes: {nodes}\n{rest}"
    return check_source(Source("test.yaml", text)).typed


def plan_of(graph: str, nodes: str, rest: str = "", depth: int = 1) -> Plan:
    return make_plan(typed_of(graph, nodes, rest), depth)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_gpt3_has_the_parameters_of_the_closed_form() -> None:
    d, layers, vocab, positions = 12288, 96, 50257, 2048
    closed = layers * (12 * d**2 + 13 * d) + (vocab + positions) * d + 2 * d
    assert closed == 174_604_259_328

    total = make_plan(check_spec(GPT3).typed).total
    assert total.cost.parameters == closed
    assert total.weights.bytes(FLOAT32) == 4 * closed
    assert total.weights.bytes(FLOAT16) == 2 * closed
    matrices = layers * 12 * d**2 + (vocab + positions) * d
    assert total.weights.bytes(INT8) == matrices + 2 * (closed - matrices)


def test_gpt3_has_the_flops_and_activations_of_the_closed_form() -> None:
    d, layers, heads, vocab = 12288, 96, 96, 50257
    total = make_plan(check_spec(GPT3).typed).total
    tokens, scores = BATCH * SEQ, BATCH * SEQ * SEQ
    assert total.cost.flops == tokens * (24 * d**2 * layers + 2 * vocab * d) + scores * (4 * d * layers)
    # A layer: two norms, attention (q, k, v, out, scores), MLP (4·d, out), two sums. Around it wte, embed, ln_f, wpe.
    floats = tokens * (layers * (2 + 4 + 5 + 2) * d + 3 * d + vocab) + scores * (heads * layers) + SEQ * d
    assert total.activations.floats == floats
    assert total.activations.whole == 0


@pytest.mark.parametrize("name", ["bert_base.yaml", "unet.yaml", "ensemble.yaml", "detr.yaml"])
def test_rows_add_up_to_the_total_at_every_depth(name: str) -> None:
    for depth in (1, 2, 3, 4):
        plan = make_plan(check_spec(SPECS / name).typed, depth)
        inner = [
            row
            for row, after in zip(plan.rows, [*plan.rows[1:], None], strict=True)
            if not after or after.level <= row.level
        ]
        assert sum(row.footprint.cost.parameters for row in inner) == plan.total.cost.parameters
        assert sum(row.footprint.weights.bytes(INT8) for row in inner) == plan.total.weights.bytes(INT8)
        assert sum((row.footprint.cost.flops for row in inner), Dim.of(0)) == plan.total.cost.flops
        assert sum((row.footprint.activations.floats for row in inner), Dim.of(0)) == plan.total.activations.floats


def test_weights_are_the_bytes_that_pytorch_stores() -> None:
    from stackc.torch_backend.lower import lower

    for name in ("unet.yaml", "gpt2.yaml"):
        overrides = Overrides({"width0": "4"} if name == "unet.yaml" else {"layers": "2", "dim": "48", "vocab": "100"})
        checked = check_spec(SPECS / name, overrides)
        module = lower(checked.typed)
        stored = [*module.parameters(), *module.buffers()]
        assert make_plan(checked.typed).total.weights.bytes(FLOAT32) == sum(
            t.numel() * t.element_size() for t in stored
        )


def test_a_shared_module_has_its_weights_once_and_its_activations_each_time() -> None:
    block = "blocks: {b: {inputs: [x], graph: 'x --> a[linear]', nodes: {a: {out: 64}}}}"
    apart, shared = (
        plan_of("x --> s[stack]", f"{{s: {{of: b, repeat: 5, share: {share}}}}}", block, 2)
        for share in ("false", "true")
    )
    assert apart.total.weights.bytes(FLOAT32) == 5 * shared.total.weights.bytes(FLOAT32) == 5 * 4 * (64 * 64 + 64)
    assert apart.total.activations == shared.total.activations
    assert [(row.path, row.repeat, row.level) for row in shared.rows] == [("s", 1, 0), ("s.0.a", 5, 1)]
    assert shared.rows[1].footprint.weights == shared.total.weights
    assert shared.rows[1].footprint.cost.flops == BATCH * (5 * 2 * 64 * 64)


def test_the_rows_of_a_repeated_stretch_are_of_all_its_repeats() -> None:
    block = "blocks: {b: {inputs: [x], graph: 'x --> a[linear]', nodes: {a: {out: 64}}}}"
    plan = plan_of("x --> s[stack]", "{s: {of: b, repeat: 12, norm: layer_norm, norm_every: 4}}", block, 2)
    assert [(row.path, row.repeat, row.footprint.cost.parameters) for row in plan.rows] == [
        ("s", 1, 12 * 4160 + 3 * 128),
        ("s.0", 12, 12 * 4160),
        ("s.norm_3", 3, 3 * 128),
    ]


def test_the_peak_of_a_chain_is_its_widest_step() -> None:
    root = typed_of("x --> a[linear] --> b[linear] --> c[linear]", "{a: {out: 256}, b: {out: 512}, c: {out: 2}}").root
    assert peak(root, {"batch": 3}, FLOAT32) == 4 * 3 * (64 + 256 + 512)  # the caller keeps x
    assert peak(root, {"batch": 3}, FLOAT16) == 2 * 3 * (64 + 256 + 512)


def test_a_skip_lives_until_it_is_taken() -> None:
    graph = "x --> a[linear] --> b[linear] --> c[linear] --> d[add]\na --> d"
    root = typed_of(graph, "{a: {out: 256}, b: {out: 512}, c: {out: 256}}").root
    assert peak(root, {"batch": 1}, FLOAT32) == 4 * (64 + 256 + 512 + 256)


def test_a_block_has_the_peak_of_what_is_in_it() -> None:
    inside = "x --> a[linear] --> b[linear] --> c[linear]"
    nodes = "{a: {out: 256}, b: {out: 512}, c: {out: 64}}"
    block = f"blocks: {{f: {{inputs: [x], graph: '{inside}', nodes: {nodes}}}}}"
    flat, nested = typed_of(inside, nodes).root, typed_of("x --> f", "{}", block).root
    assert peak(nested, {"batch": 1}, FLOAT32) == peak(flat, {"batch": 1}, FLOAT32)
    twice = typed_of("x --> s[stack]", "{s: {of: f, repeat: 7}}", block).root
    assert peak(twice, {"batch": 1}, FLOAT32) == 4 * (64 + 256 + 512)  # what f got is gone by then, x is not


def test_an_input_that_a_block_takes_last_goes_inside() -> None:
    block = "blocks: {f: {inputs: [x], graph: 'x --> a[linear] --> b[linear]', nodes: {a: {out: 8}, b: {out: 1024}}}}"
    root = typed_of("x --> wide[linear] --> f", "{wide: {out: 4096}}", block).root
    assert peak(root, {"batch": 1}, FLOAT32) == 4 * (64 + 4096 + 8)


def test_whole_numbers_take_the_same_in_every_precision() -> None:
    checked = check_spec(SPECS / "two_tower.yaml")
    total = make_plan(checked.typed).total
    assert total.activations.whole == 0
    ids = sum(8 for type_ in checked.typed.root.inputs if type_.dtype == "int64")
    least = peak(checked.typed.root, dict.fromkeys(checked.graph.contract, 1), FLOAT16)
    assert least >= ids


def test_what_fits_is_the_last_that_does() -> None:
    dims = "dims: {batch: {max: 1000}}"
    typed = typed_of("x --> a[linear] --> b[linear]", "{a: {out: 256}, b: {out: 512}}", dims)
    weights, each = 4 * (65 * 256 + 257 * 512), 4 * (64 + 256 + 512)

    def fit(memory: int) -> tuple[Fit, ...]:
        return make_plan(typed, memory=memory).fits["float32"]

    assert fit(weights + 10 * each) == (Fit("batch", {}, 10, "memory"),)
    assert fit(weights + 10 * each - 1) == (Fit("batch", {}, 9, "memory"),)
    assert fit(weights) == (Fit("batch", {}, None, "memory"),)
    assert fit(weights + 5000 * each) == (Fit("batch", {}, 1000, "contract"),)


def test_what_fits_is_a_multiple_and_says_beside_what() -> None:
    typed = check_spec(SPECS / "unet.yaml").typed
    plan = make_plan(typed, memory=2 * 10**9)
    fits = plan.fits["float32"]
    for fit in fits:
        assert fit.largest is not None
        limits = plan.contract[fit.dim]
        assert limits.allows(fit.largest)
        more = {**fit.beside, fit.dim: fit.largest + limits.multiple_of}
        needed = plan.total.weights.bytes(FLOAT32) + peak(typed.root, more, FLOAT32)
        assert fit.limited == "contract" or needed > 2 * 10**9
    assert {(fit.dim, tuple(fit.beside.values())) for fit in fits} >= {("height", (1, 16)), ("height", (8, 512))}


def test_the_table() -> None:
    done = run(SPECS / "bert_base.yaml", "--dims", "batch=1,seq=128", "--dtype", "bfloat16", "--memory", "1GiB")
    assert done.exit_code == 0, done.output
    rows = [line.split("  ") for line in done.stdout.splitlines()]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert cells["encoder stack"][:3] == ["[1, 128, 768]", "85.1 M", "22.3 G"]
    assert cells["encoder stack"][3] == "170 MB"
    assert cells["bert_base"][0] == "109 M"
    assert cells["float16, bfloat16"] == ["all sizes fit: 220 MB"]


def test_it_says_so_where_nothing_fits() -> None:
    done = run(GPT3, "--memory", "80GB")
    assert done.exit_code == 0
    assert done.stdout.count("nothing fits: at least 698 GB at batch 1, seq 1") == 1
    more = run(GPT3, "--memory", "200 GB").stdout
    assert "batch up to 64 at seq 1 (the maximum of its contract)" in more


def test_programs_get_every_figure() -> None:
    done = run(SPECS / "gpt2.yaml", "--json", "--depth", "2", "--memory", "2GB")
    facts = json.loads(done.stdout)
    assert facts["total"]["parameters"] == 124_439_808
    assert facts["total"]["weight_bytes"]["float32"] == 4 * 124_439_808
    assert facts["outputs"] == {"logits": "float32[batch, seq, 50257]"}
    assert next(block["path"] for block in facts["blocks"] if block["repeat"] == 12) == "h.0.ln_1"
    logits, last = 16 * 1024 * 50257, 16 * 1024 * 768
    ids = 2 * 8 * 16 * 1024
    assert facts["peaks"][1]["dims"] == {"batch": 16, "seq": 1024}
    assert facts["peaks"][1]["bytes"]["float32"] == 4 * (logits + last) + ids
    assert facts["memory"]["fits"]["float32"][0]["limited"] == "contract"


def test_a_long_table_is_written_as_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def lines() -> list[str]:
        done = run(SPECS / "bert_base.yaml", "--depth", "3")
        return [line.rstrip() for line in done.stdout.splitlines() if line.strip() and "─" not in line]

    short = lines()
    monkeypatch.setattr(table, "LONG", 2)
    assert lines() == short


def test_a_dim_without_an_end_has_its_largest_size_beside_the_largest_of_the_others() -> None:
    typed = typed_of("x --> a[linear]", "{a: {out: 256}}", "dims: {seq: {min: 2, max: 128}}", shape="[batch, seq, 64]")
    weights, each = 4 * 65 * 256, 4 * (64 + 256)
    fits = make_plan(typed, memory=weights + 10 * 128 * each).fits["float32"]
    assert Fit("batch", {"seq": 2}, 640, "memory") in fits
    assert Fit("batch", {"seq": 128}, 10, "memory") in fits


def test_where_a_dim_has_no_end_the_table_tells_how_far_it_may_go(tmp_path: Path) -> None:
    spec = tmp_path / "open.yaml"
    spec.write_text(
        "stackc: 1\ndims: {seq: {max: 128}}\ninputs: {x: {shape: [batch, seq, 64]}}\n"
        "graph: x --> a[linear]\nnodes: {a: {out: 256}}\n",
        encoding="utf-8",
    )
    done = run(spec, "--memory", "1MiB")
    assert done.exit_code == 0
    assert "all sizes fit" not in done.stdout
    assert f"batch up to {(2**20 - 4 * 65 * 256) // (4 * 128 * (64 + 256))} at seq 128" in done.stdout
    assert "in 1 MiB" in done.stdout


def test_error_memory_without_a_unit() -> None:
    done = run(SPECS / "seed.mmd", "--memory", "24")
    assert done.exit_code == 2
    assert "'24' has no unit; write 24GB" in done.stderr


@pytest.mark.parametrize("text", ["24XB", "GB", "-3GB", "1.GB", "24iB"])
def test_error_no_memory(text: str) -> None:
    done = run(SPECS / "seed.mmd", f"--memory={text}")
    assert done.exit_code == 2
    assert "is not a valid memory size; write 24GB" in done.stderr
