"""specs/ of time series and sequences against plain PyTorch, by the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build
from stackc.torch_backend.lower import lower

SPECS = Path(__file__).parents[2] / "specs"
State = Mapping[str, Tensor]


def randomized(module: nn.Module) -> nn.Module:
    """Return a module in float64 and eval mode, each parameter drawn: no bias is zero, no weight of a norm is one."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.double().eval().parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.4
    return module


def below(name: str, state: State) -> dict[str, Tensor]:
    """Return the part of a state dict below a path."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def linear(x: Tensor, state: State, name: str) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))


def loaded(module: nn.RNNBase, state: State, name: str) -> nn.RNNBase:
    module.double().load_state_dict(below(name, state))
    return module


# -- the models in plain PyTorch


def tcn(state: State, x: Tensor) -> Tensor:
    def conv(x: Tensor, name: str, dilation: int) -> Tensor:
        scale, direction = (state[f"{name}.parametrizations.weight.original{i}"] for i in (0, 1))
        weight = scale * direction / direction.flatten(1).norm(dim=1)[:, None, None]
        x = F.pad(x, ((weight.shape[2] - 1) * dilation, 0))
        return F.relu(F.conv1d(x, weight, state[f"{name}.bias"], dilation=dilation))

    for level, name in enumerate(["first", *(f"levels.{i}" for i in range(2))]):
        shortcut = x
        if not level:
            shortcut = F.conv1d(x, state["first.shortcut.weight"], state["first.shortcut.bias"])
        y = conv(conv(x, f"{name}.convs.conv1", 2**level), f"{name}.convs.conv2", 2**level)
        x = F.relu(y + shortcut)
    return linear(x.mT, state, "head")


def lstm_forecaster(state: State, history: Tensor, lengths: Tensor, future: Tensor) -> Tensor:
    encoder = loaded(nn.LSTM(5, 7, 2, batch_first=True), state, "encoder")
    packed = pack_padded_sequence(history, lengths, batch_first=True, enforce_sorted=False)
    _, (h, _) = encoder(packed)
    hidden = F.relu(linear(torch.cat([h[-1], future.flatten(1)], dim=-1), state, "up"))
    contexts = linear(hidden, state, "contexts").unflatten(1, (5, 6))  # horizon 4, and the one for all
    local = torch.cat([state["of_each.weight"], state["of_all.weight"], state["of_future.weight"]], dim=1)
    steps = [
        F.linear(torch.cat([contexts[:, i], contexts[:, 4], future[:, i]], dim=-1), local, state["of_each.bias"])
        for i in range(4)
    ]
    return linear(F.relu(torch.stack(steps, dim=1)), state, "heads")


def gru_seq2seq(state: State, source: Tensor, mask: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
    encoder = loaded(nn.GRU(6, 8, batch_first=True, bidirectional=True), state, "encoder")
    packed = pack_padded_sequence(F.embedding(source, state["read.weight"]), lengths, True, enforce_sorted=False)
    y, h = encoder(packed)
    heard, _ = pad_packed_sequence(y, batch_first=True, total_length=source.shape[1])
    hidden = torch.tanh(linear(torch.cat([h[0], h[1]], dim=-1), state, "bridge"))

    cell = nn.GRUCell(14, 8).double()
    cell.load_state_dict(below("decoder.cell.next", state))
    attend = below("decoder.cell.attend", state)
    keys, values = linear(heard, attend, "k"), linear(heard, attend, "v")
    outputs = []
    for word in F.embedding(target, state["said.weight"]).unbind(1):
        scores = (keys @ linear(hidden, attend, "q").unsqueeze(-1)).squeeze(-1) / 8**0.5
        shares = scores.masked_fill(mask == 0, float("-inf")).softmax(-1)
        context = linear((shares.unsqueeze(1) @ values).squeeze(1), attend, "out")
        hidden = cell(torch.cat([context, word], dim=-1), hidden)
        outputs.append(hidden)
    return linear(torch.stack(outputs, dim=1), state, "words")


TCN = {"features": "3", "channels": "6", "levels": "3", "kernel": "3", "out": "2"}
FORECASTER = {"features": "5", "known": "2", "horizon": "4", "hidden": "7", "context": "6"}
SEQ2SEQ = {"source_vocab": "31", "target_vocab": "29", "embedding": "6", "hidden": "8"}
LENGTHS = torch.tensor([9, 4])


def drawn(*size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def ids(vocab: int, *size: int) -> Tensor:
    return torch.randint(vocab, size, generator=torch.Generator().manual_seed(2))


CASES: dict[str, tuple[dict[str, str], Callable[..., Tensor], list[Tensor]]] = {
    "tcn": (TCN, tcn, [drawn(2, 3, 20)]),
    "lstm_forecaster": (FORECASTER, lstm_forecaster, [drawn(2, 9, 5), LENGTHS, drawn(2, 4, 2)]),
    "gru_seq2seq": (
        SEQ2SEQ,
        gru_seq2seq,
        [ids(31, 2, 9), (torch.arange(9) < LENGTHS[:, None]).to(torch.int64), LENGTHS, ids(29, 2, 5)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_same_numbers_as_plain_torch(name: str) -> None:
    params, reference, inputs = CASES[name]
    module = randomized(lower(check_spec(SPECS / f"{name}.yaml", Overrides(params)).typed))
    with torch.no_grad():
        torch.testing.assert_close(module(*inputs), reference(module.state_dict(), *inputs), rtol=1e-9, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 23])
@pytest.mark.parametrize("name", CASES)
def test_the_file_is_proven(name: str, opset: int, tmp_path: Path) -> None:
    options = Options(Overrides(CASES[name][0]), out=tmp_path, opset=opset, measure=False)
    built = build(SPECS / f"{name}.yaml", options)
    assert built.parity is not None
    assert not built.parity.failures
