"""Training in several processes, the ranks, which torchrun starts; one process is one rank of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn


def sharded_blocks(module: nn.Module, paths: Iterable[str]) -> Iterator[nn.Module]:
    """Yield the modules of the blocks at these paths that FSDP2 gathers and frees as one, inner ones first.

    A stack in series is a list that nothing calls, and a block with a parameter that is tied to one outside of it
    cannot be freed alone; both belong to what is around them.
    """
    owners: dict[nn.Parameter, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owners.setdefault(parameter, []).append(name)

    for path in paths:
        block = module.get_submodule(path)
        inside = list(block.parameters())
        is_closed = all(name.startswith(f"{path}.") for parameter in inside for name in owners[parameter])
        if inside and is_closed and not isinstance(block, nn.ModuleList):
            yield block
