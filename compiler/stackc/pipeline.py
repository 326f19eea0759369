"""`stackc build`: every stage in order, from the text of a spec to an artifact that is proven and measured.

check_spec      text → program                 front.py
open_weights    file → named tensors           tensor_files/
lower           typed graph → nn.Module        lower.py
export          program → ONNX graph           export/
write           graph, tensors → ONNX file     export/
open            ONNX file → session            runtime/
prove           module against session         proof/
measure         module against session         bench/
package         everything → exported/NAME/    artifact.py

The module is there for random weights and for the proof; with weights from a file it is made while the export writes
them. With these, compiled components in the cache and `verify=False` there is none, nothing is run, and neither
PyTorch nor ONNX Runtime is imported.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.artifact.atomic import atomic_folder, check_place
from stackc.artifact.folder import MODEL, VECTORS, seal, sha256
from stackc.artifact.lock import write_lock
from stackc.artifact.manifest import Manifest
from stackc.artifact.report_page import Findings, write_report
from stackc.cache import user_cache
from stackc.components.custom.module import CustomModule
from stackc.core.progress import Progress
from stackc.core.versions import tool_versions
from stackc.frontend import Checked, Overrides, check_spec
from stackc.out_of_memory import report_out_of_memory
from stackc.runtime import Array, Session, ValueInfo, off_provider_lines, open_session, require_placed, write_npz
from stackc.runtime.providers import choose
from stackc.spec.source import LOCK
from stackc.view.figures import counted
from stackc.view.svg import draw_svg
from stackc.weights.files import open_weights
from stackc.weights.match import Weights, match_weights, weights_path

if TYPE_CHECKING:
    from torch import nn

    from stackc.core.types import TensorType, ValueRange
    from stackc.export import ExportedModel, LinkedProgram
    from stackc.ir.program import Program
    from stackc.proof.components import Reference
    from stackc.proof.points import Point
    from stackc.proof.report import Parity
    from stackc.timing import Comparison

MEASURED_FLOPS = 4e9  # of one forward pass: a tenth of a second, so that a build does not wait for its timing
DRAWING, PARITY, REPORT, PAGE = "graph.svg", "parity.json", "report.json", "report.html"


@dataclass(frozen=True)
class Options:
    """What a build is asked for beside its spec. Without `verify` nothing is run, and so nothing is measured."""

    overrides: Overrides = field(default_factory=Overrides)
    weights: Path | None = None
    out: Path = Path("exported")
    seed: int = 0
    opset: int = 23
    target: str = "portable"
    functions: bool = False
    provider: str = "auto"
    require_provider: bool = False
    verify: bool = True
    measure: bool = True
    threads: int | None = None
    cache: bool = True
    per_component: bool = False


@dataclass(frozen=True)
class Built:
    """A finished build: the folder, and what every stage found; None where the stage was left out."""

    folder: Path
    checked: Checked
    exported: ExportedModel
    session: Session | None
    parity: Parity | None
    speed: Comparison | None
    measured: Point | None


def build(path: Path, options: Options, report: Progress) -> Built:
    """Build the artifact of a spec. Raises SpecError where a stage fails; the earlier artifact then stands."""
    if options.verify:
        choose(options.provider)  # before the long work: a provider that does not open is an error of its own
    checked = check_spec(path, options.overrides)
    check_place(options.out / checked.document.name)
    report("check", _size(checked))
    with report_out_of_memory(checked):
        return _built(checked, options, report)


def _built(checked: Checked, options: Options, report: Progress) -> Built:
    weights = _weights(checked, options)
    if weights is not None:
        report("weights", f"{len(weights):,} tensors")
    session, parity, speed, point = None, None, None, None
    with ThreadPoolExecutor(2) as beside, atomic_folder(options.out / checked.document.name) as folder:
        hashes = beside.submit(_weight_hashes, weights)
        if weights is not None and options.verify:
            beside.submit(import_module, "torch")  # which takes longer than to write what the cache has
        module = _lower(checked, None, options.seed, report) if weights is None else None
        assembled = _assemble(checked, options)
        report("export", _amount(assembled, options))
        stored = beside.submit(_store, assembled, _tensors(module, weights), folder)
        if weights is not None and options.verify:  # not before the export, which changes nn.Module while it traces
            module = _lower(checked, weights, options.seed, report)
        reference = _reference(module) if module is not None and options.verify else None
        exported = stored.result()
        report("write", _sizes(exported))
        if reference is not None:
            session = open_session(folder / MODEL, options.provider, threads=options.threads)
            report("open", f"{session.provider}: {session.reason}{_elsewhere(checked, session, options)}")
            parity = _prove(checked, reference, session, folder, options)
            report("prove", f"{len(parity.rows)} comparisons, {_distance(parity)}")
            if options.measure:
                speed, point = _measure(checked, reference.module, folder, options)
                report("measure", str(speed.ratios[0]))
        manifest = _manifest(checked, exported, hashes.result(), session, parity, options)
        _package(checked, manifest, Findings(parity, speed, point), folder)
        seal(folder, manifest, exported.files)
    return Built(options.out / checked.document.name, checked, exported, session, parity, speed, point)


def _size(checked: Checked) -> str:
    return f"{counted(len(checked.program.calls), 'component')}, {counted(checked.cost.parameters, 'parameter')}"


def _weights(checked: Checked, options: Options) -> Weights | None:
    """The weights of the file that the command line names, or else the spec; None where neither does."""
    path, span = weights_path(checked.document, options.weights)
    if path is None:
        return None
    tensors, decl = checked.program.tensors(), checked.document.weights
    return match_weights(open_weights(path, span), tensors, decl, path.name, span)


def _lower(checked: Checked, weights: Weights | None, seed: int, report: Progress) -> nn.Module:
    from stackc.torch_backend.lower import load_weights, lower

    module = lower(checked.typed, seed=seed, device="meta" if weights is not None else "cpu")
    module = load_weights(module, weights) if weights is not None else module
    report("lower", "weights from the file" if weights is not None else f"random weights, seed {seed}")
    return module


def _tensors(module: nn.Module | None, weights: Weights | None) -> Mapping[str, Array]:
    """Every parameter and buffer by its name in the state_dict: those of the file, to be read as they are needed."""
    if weights is not None:
        return weights
    assert module is not None, "weights are the file's or the module's"
    return {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}


def _assemble(checked: Checked, options: Options) -> LinkedProgram:
    from stackc.export import link_program

    cache = user_cache() if options.cache else None
    return link_program(
        checked.program, opset=options.opset, target=options.target, functions=options.functions, cache=cache
    )


def _store(assembled: LinkedProgram, tensors: Mapping[str, Array], folder: Path) -> ExportedModel:
    from stackc.export import write_model

    return write_model(assembled, tensors, folder)


def _amount(assembled: LinkedProgram, options: Options) -> str:
    recalled = f", {assembled.recalled} from the cache" if assembled.recalled else ""
    dialect = f"opset {options.opset}" + (f", target {options.target}" if options.target != "portable" else "")
    nodes = len(assembled.linked.model.graph.node)
    size = f"{assembled.units} distinct components{recalled}, {nodes:,} ONNX nodes"
    return f"{size}, {dialect}, runs on {_runs_on(assembled)}"


def _sizes(exported: ExportedModel) -> str:
    return ", ".join(f"{path.name} {path.stat().st_size / 1e6:,.1f} MB" for path in exported.paths)


def _runs_on(assembled: LinkedProgram) -> str:
    return f"onnxruntime >= {assembled.runs_on}"


def _elsewhere(checked: Checked, session: Session, options: Options) -> str:
    """The components that are not, or not wholly, on the provider; SpecError R407 where that has to be none."""
    places = {call.path: call.span for call in checked.program.calls}
    if options.require_provider:
        require_placed(session, places)
    return "".join(f"\n  not there: {line}" for line in off_provider_lines(session, places))


def _reference(module: nn.Module) -> Reference:
    from stackc.proof.components import Reference

    return Reference.of(module)


def _prove(checked: Checked, reference: Reference, session: Session, folder: Path, options: Options) -> Parity:
    from stackc.proof.parity import prove

    parity = prove(
        checked.program,
        reference,
        session,
        folder / MODEL,
        checked.ranges,
        seed=options.seed,
        threads=options.threads,
        per_component=options.per_component,
    )
    (folder / PARITY).write_text(json.dumps(parity.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    named = {f"input.{k}": v for k, v in parity.inputs.items()} | {f"output.{k}": v for k, v in parity.outputs.items()}
    write_npz(folder / VECTORS, named)
    return parity


def _distance(parity: Parity) -> str:
    ratio = max(row.verdict.ratio for row in parity.rows)
    if ratio <= 1:
        return "ONNX Runtime as exact as PyTorch"
    return f"ONNX Runtime at most {ratio:.1f}× as far from the truth as PyTorch"


def _measure(checked: Checked, module: nn.Module, folder: Path, options: Options) -> tuple[Comparison, Point]:
    import torch

    from stackc.proof.points import draw_feeds, points_of
    from stackc.timing import eager_candidate, measure, session_candidate

    threads = options.threads or os.cpu_count() or 1
    point = points_of(checked.program, budget=MEASURED_FLOPS)[-1]
    feeds = draw_feeds(checked.program, checked.ranges, point, seed=options.seed)
    inputs = [torch.from_numpy(feeds[name]) for name in checked.program.inputs]
    session = open_session(folder / MODEL, options.provider, threads=threads)
    candidates = {"eager": eager_candidate(module, inputs, threads), "onnx": session_candidate(session, feeds)}
    return measure(candidates, seconds=2.0, rounds=(10, 1000)), point


def _package(checked: Checked, manifest: Manifest, findings: Findings, folder: Path) -> None:
    (folder / LOCK).write_text(write_lock(checked), encoding="utf-8")
    (folder / DRAWING).write_text(draw_svg(checked.typed), encoding="utf-8")
    if findings.speed:
        (folder / REPORT).write_text(json.dumps(findings.speed.to_json(), indent=2) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(write_report(checked, manifest, findings, folder), encoding="utf-8")


def _manifest(
    checked: Checked,
    exported: ExportedModel,
    weights: Mapping[str, str] | None,
    session: Session | None,
    parity: Parity | None,
    options: Options,
) -> Manifest:
    outputs = {name: checked.program.types[value] for name, value in checked.program.outputs.items()}
    return Manifest(
        name=checked.document.name,
        versions=tool_versions(),
        spec=_spec_hashes(checked),
        code=_code_hashes(checked.program),
        weights=weights,
        seed=options.seed if weights is None else None,
        dims=checked.program.contract,
        inputs=value_infos(checked.program.inputs, checked.ranges),
        outputs=value_infos(outputs, {}),
        opset=options.opset,
        target=options.target,
        runs_on=_runs_on(exported.assembled),
        provider=session.provider if session else None,
        reason=session.reason if session else "not opened: built without its proof",
        parity=parity.summary() if parity else None,
        tolerances=parity.tolerances if parity else {},
    )


def _weight_hashes(weights: Weights | None) -> dict[str, str] | None:
    return {path.name: sha256(path) for path in weights.file.paths} if weights is not None else None


def _spec_hashes(checked: Checked) -> dict[str, str]:
    """The texts of the spec and of what it includes, as they were read, by their paths as seen from the spec."""
    folder = os.path.dirname(checked.source.file)
    return {
        Path(os.path.relpath(source.file, folder or ".")).as_posix(): hashlib.sha256(source.text.encode()).hexdigest()
        for source in (checked.source, *checked.graph.includes)
    }


def _code_hashes(program: Program) -> dict[str, str]:
    """The Python modules of `op: torch`, but for those of PyTorch, which is among the versions."""
    classes = (call.component.make for call in program.calls if isinstance(call.component, CustomModule))
    names = sorted({make.__module__ for make in classes} - {"__main__"})
    own = [name for name in names if not name.startswith("torch.")]
    files = {name: inspect.getsourcefile(sys.modules[name]) for name in own}
    return {name: sha256(Path(file)) for name, file in files.items() if file}


def value_infos(types: Mapping[str, TensorType], ranges: Mapping[str, ValueRange]) -> tuple[ValueInfo, ...]:
    """Names, element types and shapes as the manifest has them, a number or the name of a dim, and what is promised of
    whole numbers."""
    promised = {name: allowed for name, allowed in ranges.items() if not allowed.assumed}
    return tuple(
        ValueInfo(
            name, t.dtype, tuple(str(d) if d.constant is None else d.constant for d in t.shape), promised.get(name)
        )
        for name, t in types.items()
    )
