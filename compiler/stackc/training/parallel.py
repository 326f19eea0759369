"""A model on several ranks: DDP, whose ranks hold all weights, or FSDP2, whose ranks hold a share of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from stackc.components.families.norm import BatchNorm
from stackc.components.losses import Loss
from stackc.core.diagnostics import Collector, Diagnostic, SpecError
from stackc.dataflow.batch import independent_examples
from stackc.ir.program import Call
from stackc.ir.training import Training
from stackc.training.step import Model

_ONE_PROCESS = "train it in one process, without torchrun"


def require_ranks(training: Training, *, shard: bool = False, watched: bool = False) -> None:
    """Raise SpecError L223 for whatever would be something else on several ranks than on one."""
    diagnostics, settings = Collector(), training.settings
    diagnostics.extend(SpecError(*_mixed_examples(training)))
    for call in training.program.calls if shard else ():
        diagnostics.extend(SpecError(*_scalars(call)))
    if settings.recalibrate is not None:
        hint = "leave it out: several ranks train no batch_norm whose statistics change"
        diagnostics.error("L223", "train.recalibrate is for one process", None, hint)
    if watched:
        hint = "leave it out, or train a few steps in one process with it"
        diagnostics.error("L223", "--watch-components is for one process: a rank has norms of its share", None, hint)
    diagnostics.raise_if_any()


def _mixed_examples(training: Training) -> Iterator[Diagnostic]:
    """Yield an error for each component that computes something of several examples, of which a rank has a share.

    Joined examples, as the graphs of a batch, have no axis to follow: there batch_norm and losses are looked at alone.
    """
    freeze, named = training.settings.freeze, set[str]()
    for call in training.program.calls:
        is_frozen = any(call.path == path or call.path.startswith(f"{path}.") for path in freeze)
        if isinstance(call.component, BatchNorm) and not is_frozen:
            message = f"'{call.path}' (batch_norm) normalizes over a batch, of which each rank has a share"
            hint = "PyTorch synchronizes it on GPUs alone: use `group_norm` (`groups: 2, axis: 1`), or freeze it"
        elif isinstance(call.component, Loss) and call.component.mixes_examples:
            what = f"'{call.path}' ({call.component.op})"
            message = f"{what} compares the examples of a batch, of which each rank has a share"
            hint = _ONE_PROCESS
        else:
            continue
        named.add(call.path)
        yield Diagnostic("L223", message, call.span, hint)

    if any(source.join for source in training.settings.data.columns.values()):
        return
    for refusal in independent_examples(training).refusals:
        if refusal.path not in named:
            message = f"each rank has a share of a batch: {refusal.message}"
            yield Diagnostic("L223", message, refusal.span, _ONE_PROCESS)


def _scalars(call: Call) -> Iterator[Diagnostic]:
    """Yield an error for each parameter that is a single number without axes, which FSDP2 cannot share."""
    for name, type_ in call.signature.parameters.items():
        if not type_.rank:
            message = f"'{call.path}.{name}' is one number, which ranks cannot share"
            yield Diagnostic("L223", message, call.span, "leave out `--shard`")


def with_ddp(model: Model) -> Model:
    """Return a model whose gradients are averaged over all ranks as they are computed."""
    used = tuple(_used_names(model.training))
    trained = (name for name, parameter in model.module.named_parameters() if parameter.requires_grad)
    has_unused = not all(name.startswith(used) for name in trained)
    wrapped = DistributedDataParallel(model.module, gradient_as_bucket_view=True, find_unused_parameters=has_unused)
    return replace(model, wrapped=wrapped)


def shard_module(module: nn.Module, paths: Iterable[str]) -> None:
    """Share the weights of a module among all ranks, gathered block by block when they run; `paths` are its blocks."""
    from torch.distributed.fsdp import fully_shard

    for block in list(sharded_blocks(module, paths)):  # parameters are replaced as each is shared
        fully_shard(block)
    fully_shard(module)


def sharded_blocks(module: nn.Module, paths: Iterable[str]) -> Iterator[nn.Module]:
    """Yield the modules of the blocks at these paths that FSDP2 gathers and frees as one, inner ones first.

    A stack in series is a list that nothing calls, and a block with a parameter that is tied to one outside of it
    cannot be freed alone; both belong to what is around them.
    """
    owners: dict[nn.Parameter, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owners.setdefault(parameter, []).append(name)

    modules = dict(module.named_modules())
    for path in paths:
        block = modules.get(path)
        if block is None:
            continue  # `same_as`: it is the module of another path
        inside = list(block.parameters())
        is_closed = all(name.startswith(f"{path}.") for parameter in inside for name in owners[parameter])
        if inside and is_closed and not isinstance(block, nn.ModuleList):
            yield block


def _used_names(training: Training) -> set[str]:
    """Return the parameters that a loss depends on, and what the names begin with of which reparametrizations make
    them."""
    needed = {training.program.outputs[name] for name in training.losses}
    used: set[str] = set()
    for call in reversed(training.program.calls):
        if needed.isdisjoint(call.outputs):
            continue
        needed |= {value for value in call.inputs if value is not None}
        for name in call.parameters.values():
            owner, _, local = name.rpartition(".")
            used |= {name, f"{owner}.parametrizations.{local}."}
    return used
