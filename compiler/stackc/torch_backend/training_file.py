"""Print a model with its losses and the loop that trains it, as one file of plain PyTorch: `show --with-training`.

The loop makes the updates of `stackc train`, in the same order and from the same initial weights.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from torch import nn

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.core.types import TensorType
from stackc.frontend import Checked
from stackc.ir.optimizers import (
    ExponentialDecay,
    MultiStepDecay,
    OneCycle,
    Optimizer,
    Schedule,
    StepDecay,
    WarmupCosine,
    WarmupLinear,
)
from stackc.ir.training import Precision, Training
from stackc.resolve.train_settings import TOTAL
from stackc.torch_backend.layout import Bracketed, laid_out
from stackc.torch_backend.lower import lower
from stackc.torch_backend.names import quoted
from stackc.torch_backend.torch_file import write_torch


def write_training(checked: Checked) -> str:
    """Return the file. Raises SpecError L105 without `train:`, L305 for training that such a file cannot do."""
    training = checked.training
    if training is None:
        hint = "leave out `--with-training`, or write losses and data under `train:`"
        raise SpecError(Diagnostic("L105", "the spec does not say how to train it", checked.document.span, hint))
    _require_printable(checked, training)
    return write_torch(training.typed, lambda model: _loop(checked, training, model))


def _require_printable(checked: Checked, training: Training) -> None:
    """Raise SpecError L305 for what needs more than PyTorch and NumPy."""
    assert checked.document.train is not None, "there is training"
    settings, span = training.settings, checked.document.train.span
    for name in ("train", "validation"):
        file = getattr(settings.data, name)
        if file and not file.endswith(".npz"):
            raise _unprintable(
                f"reads .npz files alone, but train.data.{name} is {file}", "convert it with NumPy", span
            )
    if settings.data.columns or settings.data.window or settings.data.buckets:
        hint = "leave out `columns`, `window` and `buckets`, and give each input a column of its name"
        raise _unprintable("reads columns as they are", hint, span)
    if settings.recalibrate is not None:
        raise _unprintable("does not recalibrate statistics", "leave out `recalibrate`", span)
    if settings.privacy is not None:
        raise _unprintable("adds no noise for `privacy`", "leave out `privacy`, or train with `stackc train`", span)
    if checked.document.weights is not None and checked.document.weights.files:
        span = checked.document.weights.span
        raise _unprintable("starts from random weights, but the spec names a file", "leave out `weights`", span)
    if training.program.parts:
        raise _unprintable("starts from random weights, but parts of the spec bring theirs", "leave them out", span)


def _unprintable(what: str, hint: str, span: Span) -> SpecError:
    return SpecError(Diagnostic("L305", f"the loop that `--with-training` prints {what}", span, hint))


def _loop(checked: Checked, training: Training, model: str) -> str:
    """Return the loop; `model` is the name of the class."""
    settings, program = training.settings, training.program
    drawn, otherwise = _initialized(training)
    groups = [] if _by_axes(training) else list(_groups(training))
    columns = [f"{quoted(name)}: {_number_type(type_, settings.precision)}" for name, type_ in program.inputs.items()]
    validation = settings.data.validation or ("validation.npz" if settings.stop else None)

    return _environment().get_template("training.py.jinja").render(
        s=settings,
        name=checked.document.name,
        model=model,
        train=quoted(settings.data.train) if settings.data.train else "",
        validation=quoted(validation) if validation else "",
        columns="\n".join(laid_out("COLUMNS = ", Bracketed("", tuple(columns), ("{", "}")), indent=0)),
        outputs=_constant("OUTPUTS", program.outputs),
        figures=_constant("FIGURES", (*training.losses, *training.metrics)),
        drawn=_constant("DRAWN", drawn),
        frozen=_constant("FROZEN", settings.freeze),
        groups=groups,
        start="start_training(model)" if settings.freeze or groups else "model.train()",
        first=next(iter(program.inputs)),
        otherwise=", ".join(otherwise),
        losses=training.losses,
        weighted=any(weight != 1 for weight in settings.loss_weights.values()),
        total=_sum_of_losses(training, "values"),
        total_of_means=_sum_of_losses(training, "means"),
        schedule=[] if settings.schedule is None else list(_schedule(settings.schedule, settings.optimizer.lr)),
        optimizer=type(settings.optimizer).__name__,
        options=_options(settings.optimizer),
        kept="average" if settings.ema is not None else "model",
        figure=_figure(training),
    )  # fmt: skip


def _by_axes(training: Training) -> bool:
    """Return whether all is trained at one learning rate but for what is frozen, and matrices alone decay."""
    settings, types = training.settings, training.program.tensors()
    parameters = {name for call in training.program.calls for name in call.parameters.values()}
    trained = {name: group for group in settings.groups for name in group.names}
    left = {name for name in parameters - trained.keys() if not _is_inside(name, settings.freeze)}
    decays = {True: settings.optimizer.weight_decay, False: 0.0}
    return not left and all(
        (group.lr, group.weight_decay) == (settings.optimizer.lr, decays[types[name].rank > 1])
        for name, group in trained.items()
    )


def _is_inside(name: str, paths: Iterable[str]) -> bool:
    return any(name.startswith(f"{path}.") for path in paths)


def _groups(training: Training) -> Iterator[str]:
    """Yield the lines of GROUPS: the learning rate as a share of the highest, the weight decay, the parameters."""
    highest = training.settings.optimizer.lr
    for group in training.settings.groups:
        first, *others = map(quoted, group.names)
        names = Bracketed("", (first, *others)) if others else f"({first},)"
        share = group.lr / highest if highest else 1.0
        yield from laid_out("", Bracketed("", (repr(share), repr(group.weight_decay), names)), ",", indent=4)


def _number_type(type_: TensorType, precision: Precision) -> str:
    if type_.is_float:
        return "np.float64" if precision == "float64" else "np.float32"
    return "np.bool_" if type_.dtype == "bool" else f"np.{type_.dtype}"


def _options(optimizer: Optimizer) -> str:
    """Return the arguments of the optimizer: the learning rate, and what is not the default of torch.optim."""
    defaults = inspect.signature(getattr(torch.optim, type(optimizer).__name__)).parameters
    values = {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}
    written = {name: value for name, value in values.items() if name == "lr" or value != defaults[name].default}
    return ", ".join(f"{name}={value!r}" for name, value in written.items())


def _constant(name: str, texts: Iterable[str]) -> str:
    """Return the definition of a tuple of texts."""
    entries = [quoted(text) for text in texts]
    if len(entries) < 2:
        return f"{name} = ({''.join(f'{entry},' for entry in entries)})"
    return "\n".join(laid_out(f"{name} = ", Bracketed("", tuple(entries)), indent=0))


def _initialized(training: Training) -> tuple[list[str], list[str]]:
    """Return the components whose initial weights the file draws as stackc does, and those that it cannot."""
    seed = training.settings.seed
    ours, theirs = lower(training.typed, seed=seed), lower(training.typed, seed=seed + 1)
    owners = [call.path for call in training.program.calls if call.path == call.owner and call.parameters]
    for path in owners:
        _reset(theirs.get_submodule(path), f"{seed}:{path}")

    equal = {path: _same(ours.get_submodule(path), theirs.get_submodule(path)) for path in owners}
    return [path for path in owners if equal[path]], [path for path in owners if not equal[path]]


def _reset(module: nn.Module, stream: str) -> None:
    """Do what `initialize` of the file does."""
    digest = hashlib.sha256(stream.encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(digest[:8], "little", signed=True))
        for part in module.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()


def _same(one: nn.Module, other: nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return all(torch.equal(left[name], right[name]) for name in left)


def _sum_of_losses(training: Training, values: str) -> str:
    """Return the weighted sum of the losses as an expression."""
    weights = training.settings.loss_weights
    terms = [f"{values}[{quoted(name)}]" for name in training.losses]
    factors = [weights[name] for name in training.losses]
    return " + ".join(
        term if factor == 1 else f"{factor!r} * {term}" for term, factor in zip(terms, factors, strict=True)
    )


def _figure(training: Training) -> str:
    """Return the figure that says which epoch is best, as an expression that is larger for a better one."""
    stop, metrics, losses = training.settings.stop, training.metrics, training.losses
    watched = stop.metric if stop else metrics[0] if metrics else losses[0] if len(losses) == 1 else TOTAL
    return f"{'' if watched in training.rising else '-'}means[{quoted(watched)}]"


def _schedule(schedule: Schedule, rate: float) -> Iterator[str]:
    """Yield the lines that compute the learning rate of a `step` of `steps`."""
    match schedule:
        case WarmupCosine() | WarmupLinear():
            warmup, final = schedule.warmup, schedule.final
            if warmup:
                yield f"if step < {warmup}:"
                yield f"    return {rate!r} * (step + 1) / {warmup}"
            yield f"progress = min(1.0, (step - {warmup}) / max(1, steps - {warmup}))"
            is_cosine = isinstance(schedule, WarmupCosine)
            left = "(1 + math.cos(math.pi * progress)) / 2" if is_cosine else "(1 - progress)"
            yield (
                f"return {rate!r} * {left}" if not final else f"return {rate!r} * ({final!r} + {1 - final!r} * {left})"
            )
        case StepDecay():
            yield f"return {rate!r} * {schedule.gamma!r} ** (step // {schedule.step_size})"
        case MultiStepDecay():
            yield f"return {rate!r} * {schedule.gamma!r} ** sum(step >= end for end in {schedule.milestones!r})"
        case ExponentialDecay():
            yield f"return {rate!r} * {schedule.gamma!r} ** step"
        case OneCycle():
            yield f"peak = {schedule.pct_start!r} * steps - 1"
            yield "if step <= peak:"
            yield "    start, end, share = 1 / 25, 1.0, step / peak if peak > 0 else 1.0"
            yield "else:"
            yield "    start, end, share = 1.0, 1 / 250_000, min(1.0, (step - peak) / max(1e-12, steps - 1 - peak))"
            yield f"return {rate!r} * (end + (start - end) / 2 * (1 + math.cos(math.pi * share)))"


@cache
def _environment() -> Environment:
    loader = PackageLoader("stackc.torch_backend", "pages")
    return Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
