"""stackc: a compiler for neural-network graphs. The drawing is the source; a proven ONNX model is the result.

One function for each stage, as far as its command goes and without printing anything:

    import stackc

    checked = stackc.check("specs/seed.mmd", params={"dim": 64})
    print(checked.cost.parameters, checked.program.outputs)
    svg = stackc.show(checked, "svg")
    print(stackc.plan(checked, memory="24GB").fits["float32"])
    print(stackc.diff("specs/seed.mmd", checked).changes)
    module = stackc.module(checked, seed=1)                # an ordinary torch.nn.Module
    stackc.train("digits.yaml").means                      # runs/digits/, its losses and metrics
    built = stackc.build("specs/seed.mmd")                 # exported/seed/, with its proof
    outputs = stackc.run(built.folder, {"x": array})       # without PyTorch
    stackc.verify(built.folder)

Everything that is wrong with a spec is raised together, as one `SpecError`. Importing stackc loads none of the stages:
each function loads what it needs when it is first called, and only `module`, `build`, `bench`, `reduce` and
`show(…, "torch")` need PyTorch. An interrupt (Ctrl-C) waits for the end of an import, so that the next call finds
nothing half imported.
"""

import sys

# `python -m stackc`, or any module of it, starts with the working directory first on sys.path. Remove it before
# anything is imported from there, even `__future__`: this module has no `from __future__`, and annotations in quotes.
# While it is looked for, sys.argv[0] is "-m"; its name is an argument of its own, or follows the m of `-Bmstackc`.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    _module = sys.orig_argv[-len(sys.argv)]
    if (_module.partition("m")[2] if _module.startswith("-") else _module).partition(".")[0] == "stackc":
        del sys.path[0]

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from stackc._version import __version__
from stackc.core.arguments import checked_sizes
from stackc.core.interrupts import whole_imports

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch import nn

    from stackc.analysis.diff.comparison import Difference
    from stackc.analysis.plan.planning import Plan
    from stackc.artifact.built import Built
    from stackc.artifact.verify import Verified
    from stackc.benchmark import Result
    from stackc.core.diagnostics import Diagnostic, SpecError
    from stackc.core.progress import Progress
    from stackc.frontend import Checked
    from stackc.hub.importing import Imported, ImportOptions
    from stackc.pipeline import Options
    from stackc.reduction.search import Reduced
    from stackc.spec.document import Document
    from stackc.training.loop import Report, Trained, TrainOptions

__all__ = [
    "Built", "Checked", "Diagnostic", "Difference", "Document", "ImportOptions", "Imported", "Options", "Plan",
    "Reduced", "Result", "SpecError", "TrainOptions", "Trained", "Verified", "__version__", "bench", "build", "check",
    "compile", "diff", "generate", "import_model", "load", "module", "plan", "reduce", "run", "show", "train", "verify",
]  # fmt: skip

SpecPath: TypeAlias = str | PathLike[str]
Text: TypeAlias = Literal["mermaid", "dot", "svg", "html", "torch"]

if not TYPE_CHECKING:  # a type checker knows them from above, and with this it would know every name
    from stackc.core.public_types import public_type as __getattr__  # noqa: F401  Python asks it for names


@whole_imports()
def load(spec: SpecPath) -> "Document":
    """Parse a spec as it is written: YAML, a Mermaid file, or a block of Markdown (`README.md#NAME`).

    Raises SpecError with everything that cannot be parsed.
    """
    from pathlib import Path

    from stackc.spec.reader import parse
    from stackc.spec.source import load_source

    return parse(load_source(Path(spec)))


@whole_imports()
def import_model(folder: SpecPath, out: SpecPath | None = None, options: "ImportOptions | None" = None) -> "Imported":
    """Import a model that Hugging Face's transformers saved: write its spec, its config and its tokenizer into `out`.

    Raises SpecError, and then nothing is written, if its config says anything that no spec of the zoo expresses.
    """
    from pathlib import Path

    from stackc.hub.importing import import_from

    return import_from(Path(folder), None if out is None else Path(out), options)


@whole_imports()
def check(
    spec: "SpecPath | Document",
    *,
    params: Mapping[str, object] | None = None,
    dims: Mapping[str, int] | None = None,
    trust: Sequence[str] = (),
) -> "Checked":
    """Check a spec, or a document that is loaded already: its typed graph, its flat program, its cost.

    `params` sets params of the spec, `dims` fixes the sizes of dims. `trust` names the Python modules whose code may
    run, for `op: torch`. Raises SpecError with everything that the first failing stage reports, TypeError for a size
    that is not an integer, and ValueError for one below 1.
    """
    from pathlib import Path

    from stackc.frontend import arguments_as_overrides, check_document, check_spec
    from stackc.spec.document import Document

    overrides = arguments_as_overrides(params, dims, trust)
    return check_document(spec, overrides) if isinstance(spec, Document) else check_spec(Path(spec), overrides)


@overload
def show(spec: "SpecPath | Document | Checked", form: Text = "mermaid", *, depth: int = 1) -> str: ...
@overload
def show(spec: "SpecPath | Document | Checked", form: Literal["png"], *, depth: int = 1) -> bytes: ...
@whole_imports()
def show(
    spec: "SpecPath | Document | Checked", form: Text | Literal["png"] = "mermaid", *, depth: int = 1
) -> str | bytes:
    """Draw a spec, with blocks and stacks opened down to `depth`: text, or the bytes of a PNG.

    "html" is a page to fold, unfold and search. "torch" is the model as one file of plain PyTorch, which does not need
    stackc. Raises ValueError for any other form.
    """
    from stackc.view.forms import PICTURE_FORMS, render_picture

    if form != "torch" and form not in PICTURE_FORMS:
        forms = ", ".join(map(repr, (*PICTURE_FORMS, "torch")))
        raise ValueError(f"no drawing has the form {form!r}; there are {forms}")

    checked = _checked(spec)
    if form == "torch":
        from stackc.torch_backend.torch_file import write_torch

        return write_torch(checked.typed)
    return render_picture(checked.typed, checked.sources, form, depth, checked.training).data


@whole_imports()
def plan(
    spec: "SpecPath | Document | Checked",
    *,
    params: Mapping[str, object] | None = None,
    dims: Mapping[str, int] | None = None,
    memory: int | str | None = None,
    depth: int = 1,
) -> "Plan":
    """Count parameters, FLOPs and memory of a spec by block, the peaks of its activations, and what fits in a memory.

    `params` and `dims` are as in `check`; a spec that is checked already has its own. `memory` is in bytes, or a text
    such as `24GB` or `80GiB`; ValueError if it is neither. Blocks and stacks are opened down to `depth`.
    """
    from stackc.analysis.plan.fit import memory_of
    from stackc.analysis.plan.planning import make_plan

    size = memory_of(memory) if isinstance(memory, str) else memory
    return make_plan(_checked(spec, params, dims).typed, depth, size)


@whole_imports()
def diff(
    before: "SpecPath | Document | Checked",
    after: "SpecPath | Document | Checked",
    *,
    params: Mapping[str, object] | None = None,
    dims: Mapping[str, int] | None = None,
) -> "Difference":
    """Compare two specs; `params` and `dims` apply to both, unless they are checked already."""
    from stackc.analysis.diff.comparison import compare_specs

    return compare_specs(_checked(before, params, dims), _checked(after, params, dims))


@whole_imports()
def module(
    spec: "SpecPath | Document | Checked",
    *,
    params: Mapping[str, object] | None = None,
    dims: Mapping[str, int] | None = None,
    trust: Sequence[str] = (),
    weights: "SpecPath | Mapping[str, ArrayLike] | None" = None,
    seed: int = 0,
) -> "nn.Module":
    """Lower a spec to an ordinary PyTorch module, in training mode; it takes the inputs in their written order.

    `weights` is a file of tensors, or a state_dict whose names and shapes are the module's. By default the weights are
    those of the file that the spec names, or else random ones of this `seed`. `params`, `dims` and `trust` are as in
    `check`. Raises SpecError if the spec or the file does not fit, RuntimeError if the state_dict does not.
    """
    from pathlib import Path

    from stackc.pipeline import lower_with_weights

    checked = _checked(spec, params, dims, trust)
    if not isinstance(weights, Mapping):
        return lower_with_weights(checked, Path(weights) if weights is not None else None, seed)

    import numpy as np
    import torch

    from stackc.torch_backend.lower import lower

    lowered = lower(checked.typed, seed=seed)
    tensors = {k: v if isinstance(v, torch.Tensor) else torch.from_numpy(np.array(v)) for k, v in weights.items()}
    lowered.load_state_dict(tensors)
    return lowered


@whole_imports()
def build(spec: SpecPath, options: "Options | None" = None, *, progress: "Progress | None" = None) -> "Built":
    """Build a spec into `exported/NAME/`: exported to ONNX, proven equal to its PyTorch module, and measured.

    `options` has the weights, the output folder, the opset, the provider and so on. `progress` is called with the name
    of each stage and what it made. Raises SpecError, and then leaves an earlier artifact as it was.
    """
    from pathlib import Path

    from stackc.core.progress import no_progress
    from stackc.pipeline import build

    return build(Path(spec), options, progress or no_progress)


@whole_imports()
def train(
    spec: "SpecPath | Document | Checked",
    options: "TrainOptions | None" = None,
    *,
    params: Mapping[str, object] | None = None,
    report: "Report | None" = None,
) -> "Trained":
    """Train a spec as its `train:` says, into `runs/NAME/`, whose weights `Options.weights` takes.

    `options` has the files of examples, the folder, and whether to resume the run in it. `report` is called with each
    step and each epoch. Raises SpecError if the spec, the data or the folder does not fit, or the loss is not finite.
    """
    from stackc.training.loop import train_model

    return train_model(_checked(spec, params), options, report or (lambda event: None))


@whole_imports()
def run(
    artifact: SpecPath, inputs: "Mapping[str, ArrayLike]", *, provider: str = "auto", threads: int | None = None
) -> "dict[str, NDArray[Any]]":
    """Run a built model on arrays by the names of its inputs, without PyTorch; returns its outputs by name.

    `artifact` is the folder of a build. Raises SpecError if it is damaged, or if an array does not fit: its name, its
    element type, its shape, or the dims contract.
    """
    from pathlib import Path

    import numpy as np

    from stackc.artifact.folder import run_artifact

    feeds = {name: np.asarray(array) for name, array in inputs.items()}
    return run_artifact(Path(artifact), feeds, provider, threads=threads)


@whole_imports()
def generate(
    artifact: SpecPath,
    prompt: "str | Sequence[int]",
    *,
    tokens: int | None = None,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    eos: "Sequence[int] | None" = None,
    provider: str = "auto",
    threads: int | None = None,
) -> "Iterator[str] | Iterator[int]":
    """Return what follows a prompt, piece by piece: texts after a text, tokens after ids; without PyTorch.

    `artifact` is the folder of a build whose spec has `decode`. Raises SpecError: G911 if it has no step, G912 if a
    text has no tokenizer, G913 if the prompt does not fit, G914 for sampling that has no meaning.
    """
    from pathlib import Path

    from stackc.generation.generating import Generator
    from stackc.generation.sampling import Sampling

    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    generator = Generator(Path(artifact), sampling=sampling, tokens=tokens, eos=eos, provider=provider, threads=threads)
    return generator.of_text(prompt) if isinstance(prompt, str) else generator.of_ids(prompt)


@whole_imports()
def verify(artifact: SpecPath, *, provider: str = "auto", threads: int | None = None) -> "Verified":
    """Verify the artifact of a build: every hash, the ONNX checker, and the recorded outputs; without PyTorch.

    Raises SpecError if anything is not what was built.
    """
    from pathlib import Path

    from stackc.artifact.verify import verify

    return verify(Path(artifact), provider, threads=threads)


@whole_imports()
def bench(
    *targets: SpecPath,
    engines: Sequence[str] = (),
    providers: Sequence[str] = ("auto",),
    threads: Sequence[int] = (),
    dims: Mapping[str, int] | None = None,
    seconds: float = 6.0,
    progress: "Progress | None" = None,
) -> "Result":
    """Time specs, artifacts and ONNX files against each other, each candidate in a process of its own, in turns.

    `engines` are among "eager", "compile", "onnx" and "openvino"; by default all that work here. `threads` are those
    of one operation; by default all cores. `dims` are the sizes that are timed. Raises SpecError if a target cannot be
    timed or outputs differ.
    """
    import os
    from pathlib import Path

    from stackc.benchmark import BenchmarkOptions, plan_benchmark, run_benchmark
    from stackc.benchmark.job import ENGINES
    from stackc.core.progress import no_progress

    unknown = [engine for engine in engines if engine not in ENGINES]
    if not targets or unknown:
        what = f"no engine is called {unknown[0]!r}; there are {', '.join(ENGINES)}" if unknown else "nothing to time"
        raise ValueError(what)
    paths = [Path(target) for target in targets]
    known = [engine for engine in ENGINES if engine in engines]
    candidates = plan_benchmark(paths, known, providers, threads or (os.cpu_count() or 1,))
    options = BenchmarkOptions(dims=checked_sizes(dims or {}), seconds=seconds)
    return run_benchmark(paths, candidates, options, progress or no_progress)


def reduce(
    spec: SpecPath,
    options: "Options | None" = None,
    *,
    command: str | None = None,
    seconds: float = 300.0,
    progress: "Progress | None" = None,
) -> "Reduced":
    """Reduce a spec or an artifact that fails to the smallest spec, sizes and seed that fail in the same way.

    It fails if its build does, or if a `command` such as `"python judge.py {}"` exits non-zero. `options` are those of
    an artifact's build by default. Ends after `seconds`, or on Ctrl-C, with the smallest so far. `progress` is as in
    `build`. Raises SpecError P720.
    """
    from pathlib import Path

    from stackc.core.progress import no_progress
    from stackc.pipeline import Options
    from stackc.reduction.minimize import reduce_spec
    from stackc.reduction.recorded import recorded_options

    options = options or Options(**recorded_options(Path(spec)))
    return reduce_spec(Path(spec), options, command=command, seconds=seconds, progress=progress or no_progress)


def compile(spec: SpecPath, options: "Options | None" = None) -> "Built":
    """Build a spec. Deprecated: this is the old name of `build`."""
    import warnings

    warnings.warn("stackc.compile is now stackc.build", DeprecationWarning, stacklevel=2)
    return build(spec, options)


def _checked(
    spec: "SpecPath | Document | Checked",
    params: Mapping[str, object] | None = None,
    dims: Mapping[str, int] | None = None,
    trust: Sequence[str] = (),
) -> "Checked":
    """Check a spec, unless it is checked already; then params, dims and trust would come too late: TypeError."""
    from stackc.frontend import Checked

    if not isinstance(spec, Checked):
        return check(spec, params=params, dims=dims, trust=trust)
    if params or dims or trust:
        raise TypeError("params, dims and trust go to stackc.check: this spec is checked already")
    return spec
