"""Fields by the names of torch.nn: every argument of a class has an answer in the help of the component for it."""

from __future__ import annotations

import inspect

import pytest
from torch import nn

from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.resolve.foreign_fields import OWN_NAMES, unknown_fields_hint
from stackc.spec.source import Source

CLASSES: dict[str, tuple[type[nn.Module], ...]] = {
    "linear": (nn.Linear,),
    "conv1d": (nn.Conv1d,),
    "conv2d": (nn.Conv2d,),
    "conv_transpose2d": (nn.ConvTranspose2d,),
    "embedding": (nn.Embedding,),
    "attention": (nn.MultiheadAttention,),
    "lstm": (nn.LSTM,),
    "gru": (nn.GRU,),
    "rnn": (nn.RNN,),
    "layer_norm": (nn.LayerNorm,),
    "group_norm": (nn.GroupNorm,),
    "batch_norm": (nn.BatchNorm1d,),
    "softmax": (nn.Softmax,),
    "dropout": (nn.Dropout,),
    "leaky_relu": (nn.LeakyReLU,),
    "max_pool2d": (nn.MaxPool2d,),
}
ELSEWHERE = {
    # fields of PyTorch for which stackc has another way, or none
    "add_bias_kv", "add_zero_attn", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse", "_weight",
    "_freeze", "momentum", "output_padding", "padding_mode", "bias", "dilation", "return_indices",
    "proj_size", "args", "kwargs",
}  # fmt: skip
CASES = sorted({
    (op, name)
    for op, classes in CLASSES.items()
    for module in classes
    for name in inspect.signature(module.__init__).parameters
    if name not in ELSEWHERE | {"self"} and name not in fields_of(REGISTRY[op])
})  # fmt: skip


@pytest.mark.parametrize(("op", "name"), CASES)
def test_every_argument_of_torch_nn_has_an_answer(op: str, name: str) -> None:
    hint = unknown_fields_hint([name], fields_of(REGISTRY[op]), op)
    assert hint.startswith(("write `", f"leave out `{name}`")), hint


def test_what_is_proposed_exists() -> None:
    fields = {name for op in REGISTRY.values() for name in fields_of(op)} | {"repeat"}
    assert OWN_NAMES.keys() <= fields


@pytest.mark.parametrize(
    ("node", "hint"),
    [
        (
            "{op: conv1d, in_channels: 8, out_channels: 4, kernel_size: 3}",
            "write `out` for `out_channels` and `kernel` for `kernel_size`; leave out `in_channels`: it is found from "
            "what enters",
        ),
        (
            "{op: attention, nothing_like_it_at_all: 1}",
            f"`stackc ops attention` lists its {len(fields_of(REGISTRY['attention']))} fields",
        ),
        ("{op: tanh, slope: 1}", "it has no fields"),
        ("{op: linear, outt: 3}", "did you mean 'out'?"),
    ],
)
def test_hints(node: str, hint: str) -> None:
    spec = f"stackc: 1\ninputs: {{x: {{shape: [batch, 8, seq]}}}}\ngraph: x --> y\nnodes: {{y: {node}}}\n"
    with pytest.raises(SpecError) as caught:
        check_source(Source("spec.yaml", spec))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.hint) == ("N309", hint)
