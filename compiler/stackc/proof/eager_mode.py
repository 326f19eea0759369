"""A dispatch mode that does not load PyTorch's compiler."""

from __future__ import annotations

from stackc.core.torch_internals import TorchDispatchMode, dispatched_without_dynamo


@dispatched_without_dynamo
class EagerMode(TorchDispatchMode):
    """Base of modes under which modules run eagerly: each operator passes through `__torch_dispatch__`.

    PyTorch hides that method of a mode from torch.compile, and imports torch._dynamo for it at the first operator.
    That takes seconds, in a small build more than its whole proof (decision 081). Nothing is compiled under them.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # it has no annotations
