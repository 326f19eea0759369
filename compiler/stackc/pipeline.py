"""`stackc build`: every stage in order, from the text of a spec to an artifact that is proven and measured.

stage     from → to                                    room
check     text → Document → … → Program                frontend
weights   file → tensors by their state_dict names     weights
lower     TypedGraph → nn.Module                       torch_backend
export    Program → ONNX graph without weights         export
write     ONNX graph, tensors → ONNX file              export
open      ONNX file → session                          runtime
prove     session against module → Parity              proof
quantize  float32 file → one in another format         precision
measure   session against module → Comparison          timing
assert    session, examples → figures within bounds    training
package   all of these → exported/NAME/                artifact

Without `verify` nothing is run. If the weights also come from a file and every component is in the cache, there is no
module either, and neither PyTorch nor ONNX Runtime is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.artifact.atomic import atomic_folder, check_place
from stackc.artifact.build_options import Options as Options
from stackc.artifact.built import Built as Built
from stackc.artifact.folder import MODEL, sha256
from stackc.artifact.identity import model_metadata
from stackc.artifact.packaging import BuildFacts, package, weight_hashes
from stackc.artifact.proving import profile_file, prove_file, prove_step_file, time_file
from stackc.artifact.report_page import Findings
from stackc.artifact.stage_files import stage_folder, write_stage_files
from stackc.artifact.stored_weights import find_all_weights
from stackc.artifact.weight_privacy import privacy_of_weights
from stackc.cache import user_cache
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.plurals import counted
from stackc.core.progress import Progress, Stage, no_progress
from stackc.frontend import Checked, check_spec
from stackc.ir.assertions import Asserted, unchecked
from stackc.ir.program import Program
from stackc.onnx_format.files import file_sizes
from stackc.out_of_memory import report_out_of_memory
from stackc.runtime import Array, Session, describe_session, open_session
from stackc.runtime.providers import choose
from stackc.weights.files import Paths
from stackc.weights.sources import Weights

if TYPE_CHECKING:
    from torch import nn

    from stackc.export import ExportedModel, LinkedProgram
    from stackc.precision.quantize import ReducedPrecision
    from stackc.proof.components import Reference
    from stackc.proof.points import Point
    from stackc.proof.report import Parity
    from stackc.proof.step_proof import StepParity
    from stackc.timing import Comparison
    from stackc.timing.component_times import ComponentTimes

EXPORTED = Path("exported")


@dataclass
class Stages:
    """What the stages of a build have made so far; None if a stage was not reached or was left out."""

    checked: Checked
    weights: Weights | None = None
    module: nn.Module | None = None
    linked: LinkedProgram | None = None
    step: LinkedProgram | None = None
    exported: ExportedModel | None = None
    session: Session | None = None
    parity: Parity | None = None
    precision: ReducedPrecision | None = None
    step_parity: StepParity | None = None
    speed: Comparison | None = None
    measured: Point | None = None
    components: ComponentTimes | None = None
    weight_hashes: Mapping[str, str] | None = None
    asserted: tuple[Asserted, ...] = ()


def build(path: Path, options: Options | None = None, progress: Progress = no_progress) -> Built:
    """Build the artifact of a spec in `options.out`/NAME.

    Raises SpecError if a stage fails; the artifact that was there before then stays as it was.
    """
    options = options or Options()
    stages = Stages(_check(path, options, progress))
    target = (options.out or EXPORTED) / stages.checked.document.name
    check_place(target)  # before the long work, for which there may be no place

    with report_out_of_memory(stages.checked):
        stages.weights = _open_weights(stages.checked, options, progress)
        _require_validation(stages, options)
        with atomic_folder(target) as folder:
            run_stages(stages, options, folder, progress)
            stages.asserted = _hold_assertions(stages, options, progress)
            package(_facts(stages, options), folder)

    assert stages.exported is not None, "the last stage comes after write"
    made = stages.exported, stages.session, stages.parity, stages.speed, stages.measured
    return Built(target, stages.checked, *made, stages.weights is None, stages.precision)


def build_until(
    path: Path, last: Stage, options: Options | None = None, progress: Progress = no_progress
) -> tuple[Stages, tuple[Path, ...]]:
    """Run the stages up to `last`, and write what they made to the folder `options.out`, or nowhere if it is None.

    Returns what was made and the files that were written. No artifact comes of it: nothing is packaged. Raises
    SpecError if a stage fails, and A607 if the folder holds an artifact; then nothing is written.
    """
    options = options or Options()
    stages = Stages(_check(path, options, progress))
    with report_out_of_memory(stages.checked):
        if last != "check":
            stages.weights = _open_weights(stages.checked, options, progress, say_none=last == "weights")
        with stage_folder(options.out) as folder:
            if last not in ("check", "weights"):
                run_stages(stages, options, folder, progress, last)
            write_stage_files(last, stages.checked, stages.weights, stages.module, stages.linked, stages.speed, folder)
            names = sorted(file.name for file in folder.iterdir())
    return stages, tuple(options.out / name for name in names) if options.out else ()


def run_stages(stages: Stages, options: Options, folder: Path, progress: Progress, last: Stage | None = None) -> None:
    """Run the stages that write files: those after check and weights, up to `last`; all of them if it is None.

    Requires what check and weights made, and an empty `folder`; ensures that `stages` has what each stage made, and
    with all stages the hashes of the weights, which only the manifest of an artifact has.
    """
    with ThreadPoolExecutor(2) as background:
        hashes = background.submit(weight_hashes, stages.weights) if last is None else None

        # lower: random weights are the module's own, so it comes first. With weights from a file only the proof needs
        # a module: it is made beside `write`, and PyTorch is imported beside `export`, which may not need it.
        if stages.weights is None or stages.weights.missing or last == "lower":
            stages.module = _lower(stages.checked, stages.weights, options, progress)
        elif options.verify:
            background.submit(import_module, "torch")
        if last == "lower":
            return

        # export: distinct components are compiled, or recalled from the cache, and linked.
        _link_all(stages, options, progress)
        if last == "export":
            return

        # write: the file, with its weights.
        reference = _write_beside_lowering(stages, options, folder, progress, background)
        stages.weight_hashes = hashes.result() if hashes else None
    if last == "write":
        return
    if reference is not None:
        _open_and_prove(stages, reference, folder, options, progress, last)
    if last in ("open", "prove"):
        return

    # quantize: the proven file is replaced by one in another format, held to its budget.
    if options.quantize is not None or options.tune is not None:
        _quantize(stages, reference, folder, options, progress)
    if not options.measure or reference is None:
        return

    # measure: the session and the eager module in turns.
    stages.speed, stages.measured = time_file(stages.checked, reference.module, folder, options)
    assert stages.session is not None, "measure comes after open"
    stages.components = profile_file(stages.checked, stages.measured, stages.session, folder, options)
    progress("measure", str(stages.speed.ratios[0]))


def _open_and_prove(
    stages: Stages, reference: Reference, folder: Path, options: Options, progress: Progress, last: Stage | None
) -> None:
    # open: the file as it is deployed, on the provider it is deployed on.
    stages.session = open_session(folder / MODEL, options.provider, threads=options.threads)
    progress("open", _describe_session(stages, stages.session, options))
    if last == "open":
        return

    # prove: the module against what was recorded from the original, if anything was; then the outputs of the session
    # against those of the module, by the module in float64
    assert stages.linked is not None, "prove comes after export"
    random_weights = stages.weights is None
    stages.parity = prove_file(
        stages.checked, reference, stages.session, stages.linked, folder, options, progress,
        random_weights=random_weights,
    )  # fmt: skip
    progress("prove", stages.parity.describe(random_weights=random_weights))
    stages.step_parity = prove_step_file(stages.checked, reference, folder, options, progress)


# -- the stages


def lower_with_weights(checked: Checked, path: Paths | None, seed: int) -> nn.Module:
    """Return the module of a checked spec, with the weights of a file, of the file that the spec names, or random ones.

    Raises SpecError if the file does not fit, E504 if the module does not fit in memory.
    """
    options = Options(weights=path, seed=seed)
    with report_out_of_memory(checked):
        return _lower(checked, _open_weights(checked, options, no_progress), options, no_progress)


def _check(path: Path, options: Options, progress: Progress) -> Checked:
    if options.verify:
        choose(options.provider)  # before the long work: a provider that does not open is an error of its own

    checked = check_spec(path, options.overrides)
    if checked.decoding is not None and (options.quantize is not None or options.tune is not None):
        message = "the decoding step reads the float32 weights of the model, which another format would replace"
        span = checked.decoding.settings.span
        raise SpecError(Diagnostic("P738", message, span, "leave out `decode:`, or build it in float32"))
    if options.asserted:
        from stackc.resolve.assertions import with_bounds

        checked = replace(checked, assertions=with_bounds(checked.assertions, checked.training, options.asserted))
    components, parameters = len(checked.program.calls), checked.cost.parameters
    assumed = "".join(f"\n  note: {assumption}" for assumption in checked.assumptions.values())
    progress("check", f"{counted(components, 'component')}, {counted(parameters, 'parameter')}{assumed}")
    return checked


def _open_weights(checked: Checked, options: Options, progress: Progress, *, say_none: bool = False) -> Weights | None:
    """Match the weights that the options name, or else the spec, and read them later; None if neither names any."""
    weights = find_all_weights(checked, options.weights)
    if weights is not None:
        progress("weights", weights.describe())
    elif say_none:
        progress("weights", f"no file: random weights are drawn by lower, seed {options.seed}")
    return weights


def _lower(checked: Checked, weights: Weights | None, options: Options, progress: Progress) -> nn.Module:
    from stackc.torch_backend.lower import lower_with

    module = lower_with(checked.typed, weights, seed=options.seed)
    progress("lower", f"random weights, seed {options.seed}" if weights is None else "weights from the file")
    return module


def _link_all(stages: Stages, options: Options, progress: Progress) -> None:
    """Link the model, and its decoding step if it has one."""
    stages.linked = _link(stages.checked.program, options)
    progress("export", stages.linked.describe(options.target))
    if stages.checked.decoding is not None:
        stages.step = _link(stages.checked.decoding.program, options)
        progress("export", f"decoding step: {stages.step.describe(options.target)}")


def _link(program: Program, options: Options) -> LinkedProgram:
    from stackc.export import link_program

    cache = user_cache() if options.cache else None
    return link_program(program, opset=options.opset, target=options.target, functions=options.functions, cache=cache)


def _write_beside_lowering(
    stages: Stages, options: Options, folder: Path, progress: Progress, background: ThreadPoolExecutor
) -> Reference | None:
    """Write the model, and meanwhile make what it is proven against; None without a proof.

    Both take seconds and neither needs the other. The module is not made earlier: the export changes nn.Module for the
    whole process while it traces.
    """
    from stackc.torch_backend.state import state_arrays

    assert stages.linked is not None, "write comes after export"
    tensors = stages.weights if stages.module is None else state_arrays(stages.module)
    assert tensors is not None, "weights are the file's or the module's"
    written: Future[ExportedModel] = background.submit(
        _write, stages.linked, stages.step, tensors, stages.checked, folder
    )

    reference = None
    if options.verify:
        if stages.module is None:
            stages.module = _lower(stages.checked, stages.weights, options, progress)
        from stackc.proof.components import Reference

        reference = Reference.of(stages.module)

    stages.exported = written.result()
    progress("write", file_sizes(stages.exported.paths))
    return reference


def _write(
    linked: LinkedProgram, step: LinkedProgram | None, tensors: Mapping[str, Array], checked: Checked, folder: Path
) -> ExportedModel:
    from stackc.export import write_model

    return write_model(linked, tensors, folder, model_metadata(checked), step=step)


def _quantize(stages: Stages, reference: Reference | None, folder: Path, options: Options, progress: Progress) -> None:
    """Replace the file in `folder`, and the session of it, by one in the format that the options ask for."""
    from stackc.tuning.build_stage import reduce_precision

    assert stages.exported is not None, "quantize comes after write"
    reduced = reduce_precision(folder, stages.checked, reference, stages.weights, options, progress)
    stages.precision = reduced.precision
    if not reduced.files:
        return
    stages.exported = replace(stages.exported, files={file: sha256(file) for file in reduced.files})
    if stages.session is not None:
        stages.session = open_session(folder / MODEL, options.provider, threads=options.threads)
    progress("quantize", f"{stages.precision.describe()}; {file_sizes(reduced.files)}")


def _require_validation(stages: Stages, options: Options) -> None:
    """Raise SpecError if what the spec asserts cannot be measured: before the long work, which would be in vain."""
    of_outputs = [each for each in stages.checked.assertions if not each.of_speed]
    if of_outputs and _why_unchecked(stages, options) is None:
        from stackc.training.assertions import validation_examples

        validation_examples(stages.checked)


def _hold_assertions(stages: Stages, options: Options, progress: Progress) -> tuple[Asserted, ...]:
    """Return what is asserted, measured of the file. Raises SpecError L304 or R451 if a figure is out of bounds."""
    checked, why = stages.checked, _why_unchecked(stages, options)
    of_outputs = [each for each in checked.assertions if not each.of_speed]
    asserted = unchecked(of_outputs, why or "")
    if of_outputs and why is None:
        from stackc.training.assertions import hold_assertions

        asserted = hold_assertions(replace(checked, assertions=tuple(of_outputs)), stages.session, stages.weights)
    asserted += _hold_speed(stages, options)
    if asserted:
        progress("assert", "\n           ".join(map(str, asserted)))
    return asserted


def _hold_speed(stages: Stages, options: Options) -> tuple[Asserted, ...]:
    """Return the figures of speed that are asserted, measured. Raises SpecError R451 if one is out of bounds."""
    of_speed = [each for each in stages.checked.assertions if each.of_speed]
    if not of_speed or not (options.asserts and options.verify):
        return unchecked(of_speed, "built without a proof" if options.asserts else "built without assertions")
    from stackc.timing.speed_assertions import hold_speed, speed_figures

    spans = {call.path: call.span for call in stages.checked.program.calls}
    note = f"at {stages.measured}" if stages.measured else ""
    return hold_speed(of_speed, speed_figures(stages.speed, note, stages.session, spans, stages.components))


def _why_unchecked(stages: Stages, options: Options) -> str | None:
    """Return why a build does not hold the file to what the spec asserts; None if it does."""
    if not (options.asserts and options.verify):
        return "built without a proof" if options.asserts else "built without assertions"
    return "the weights are random" if stages.weights is None else None


def _facts(stages: Stages, options: Options) -> BuildFacts:
    """Return what the artifact says about its build."""
    assert stages.exported is not None, "an artifact has a model"
    return BuildFacts(
        checked=stages.checked,
        exported=stages.exported,
        weight_hashes=stages.weight_hashes,
        weight_privacy=privacy_of_weights(stages.weights),
        seed=options.seed,
        opset=options.opset,
        target=options.target,
        session=stages.session,
        findings=Findings(
            stages.parity, stages.speed, stages.measured, stages.components, stages.asserted, stages.precision
        ),
        step_parity=stages.step_parity.to_json() if stages.step_parity else None,
    )


def _describe_session(stages: Stages, session: Session, options: Options) -> str:
    """Name the provider and the components that are not on it. Raises SpecError R407 if all must be."""
    spans = {call.path: call.span for call in stages.checked.program.calls}
    return describe_session(session, spans, require=options.require_provider)
