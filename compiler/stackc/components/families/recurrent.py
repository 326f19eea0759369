"""Recurrent layers: a state is carried along the positions of a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypedDict

from stackc.components.along import Along, Followed, Mixes, Portion, Reduces, State, pointwise_along
from stackc.components.axes import Axes
from stackc.components.base import (
    BYTES,
    INTEGERS,
    Component,
    Port,
    Signature,
    SignatureError,
    features_of,
    require_float,
    require_layout,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Probability, Range, Size
from stackc.components.registry import component
from stackc.core.types import Dim, TensorType, product, shape

if TYPE_CHECKING:
    from torch import nn


LENGTHS = Port("lengths", optional=True)
"""How many positions of each sample count, [batch]; the others are padding."""


class RecurrentOptions(TypedDict):
    """The options of the modules of recurrent layers."""

    layers: int
    bias: bool
    dropout: float
    bidirectional: bool


@dataclass(frozen=True, kw_only=True)
class Recurrent(Component):
    """The base class of recurrent layers: their fields, and a signature by the number of gates and states."""

    gates: ClassVar[int]

    hidden: Annotated[Size, "features of the state of each direction"]
    layers: Annotated[int, Range(minimum=1, maximum=1000), "layers, each on the output of the one before"] = 1
    bidirectional: Annotated[bool, "read the sequence in both directions and concatenate the outputs"] = False
    bias: Annotated[bool, "learn two biases per gate, as PyTorch does"] = True
    dropout: Annotated[Probability, "the dropout probability between layers, in training"] = 0.0

    def pointwise_axes(self, x: TensorType, *others: TensorType | None) -> tuple[Axes, ...]:
        """Return the batch, which is axis 1 of states."""
        batch = (0, *(1 for _ in self.outputs[1:]))
        axes = ({0 if port.name == "lengths" else 1: batch} for port in self.ports[1:])
        return ({0: batch}, *(of if other else {} for of, other in zip(axes, others, strict=False)))

    def along(self, followed: Followed, x: TensorType, *others: TensorType | None) -> Along | Mixes:
        """Return that it keeps its states along a sequence."""
        first, *beside = followed.axes
        if dict(first) != {1: Portion.NEW} or any(beside):
            return pointwise_along(self, followed.axes, (x, *others))
        if self.bidirectional:
            return Mixes("reads the sequence from its end too", "write `bidirectional: false`", field="bidirectional")
        if len(others) == len(self.ports) - 1 and others[-1] is not None:
            return Mixes("counts the positions of the whole sequence", port="lengths")

        names = self.outputs[1:]
        last = (Reduces("returns its state after the last entry"),) * len(names)
        state = TensorType(x.dtype, (Dim.of(self.layers), x.shape[0], Dim.of(self.hidden)))
        states = tuple(State(name, state, port=f"{name}0") for name in names)
        return Along((first, *last), states)

    @property
    def directions(self) -> int:
        """2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    def recurrent_signature(self, x: TensorType, lengths: TensorType | None, **states: TensorType | None) -> Signature:
        """Return y and the last states; parameters under PyTorch's names. `states` are the first states by port."""
        require_float(x)
        require_layout(x, "[batch, seq, features]")
        if self.dropout and self.layers == 1:
            raise SignatureError(
                "dropout needs two or more layers: it acts between them",
                code="T208",
                field="dropout",
                hint="remove it, add a dropout after the node, or write `layers: 2`",
            )

        batch, seq = x.shape[:2]
        state = TensorType(x.dtype, (Dim.of(self.layers * self.directions), batch, Dim.of(self.hidden)))
        for port, first in states.items():
            if first is not None and first != state:
                raise SignatureError(f"expects a first state {state}, got {first}", port=port)

        if lengths is not None:
            _require_lengths(lengths, batch)

        parameters: dict[str, TensorType] = {}
        flops, rows = Dim.of(0), self.gates * self.hidden
        for layer in range(self.layers):
            features = self.directions * self.hidden if layer else features_of(x)
            for suffix in (f"_l{layer}", f"_l{layer}_reverse")[: self.directions]:
                parameters |= self._parameters(suffix, rows, features, x.dtype)
                flops = flops + 2 * batch * seq * rows * (features + self.hidden)

        y = x.with_last(self.directions * self.hidden)
        workspace = product(x.shape[:2]) * rows * self.directions
        return Signature((y, *(state for _ in states)), parameters, flops=flops, workspace=workspace)

    def options(self) -> RecurrentOptions:
        """Return the fields that all modules take."""
        return {
            "layers": self.layers,
            "bias": self.bias,
            "dropout": self.dropout,
            "bidirectional": self.bidirectional,
        }

    def _parameters(self, suffix: str, rows: int, features: int, dtype: str) -> dict[str, TensorType]:
        """Return the weights and biases of one layer in one direction."""
        shapes = {"weight_ih": shape(rows, features), "weight_hh": shape(rows, self.hidden)}
        if self.bias:
            shapes |= {"bias_ih": shape(rows), "bias_hh": shape(rows)}
        return {name + suffix: TensorType(dtype, sizes) for name, sizes in shapes.items()}


def _require_lengths(lengths: TensorType, batch: Dim) -> None:
    """Raise SignatureError unless there is a whole number for each sample."""
    if lengths.dtype not in INTEGERS:
        message = f"expects integers ({' or '.join(INTEGERS)}), got {lengths}"
        hint = "lengths are integers: declare the input with `dtype: int64`"
        hint = "put `cast` before it, with `dtype: int64`" if lengths.dtype in BYTES else hint
        raise SignatureError(message, code="T203", port="lengths", hint=hint)
    if lengths.shape != (batch,):
        message = f"expects a length for each sample, {lengths.with_shape(batch)}, got {lengths}"
        raise SignatureError(message, port="lengths")


@component("lstm", "x", Port("h0", optional=True), Port("c0", optional=True), LENGTHS, outputs=("y", "h", "c"))
class Lstm(Recurrent):
    """y_t = h_t = o·tanh(c_t), c_t = f·c_{t−1} + i·g; with i, f, o = σ and g = tanh of W·x_t + b + U·h_{t−1} + d.

    x: [batch, seq, features] → y: [batch, seq, directions · hidden], every h_t;
    h, c: [layers · directions, batch, hidden], the last states; h0, c0: the same, the first states, by default 0.
    lengths: [batch] integers, 0 to seq, beyond which x is padding: y is 0 there, h and c the state after the last
    position that counts, and the other direction starts from it; by default every position counts.
    Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735, with the forget gate of Gers et al. 2000.
    """

    gates: ClassVar[int] = 4

    def signature(
        self,
        x: TensorType,
        h0: TensorType | None = None,
        c0: TensorType | None = None,
        lengths: TensorType | None = None,
    ) -> Signature:
        """Return y, h and c."""
        return self.recurrent_signature(x, lengths, h0=h0, c0=c0)

    def construction(
        self,
        x: TensorType,
        h0: TensorType | None = None,
        c0: TensorType | None = None,
        lengths: TensorType | None = None,
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.LSTM with y, h and c as three outputs."""
        from stackc.modules.recurrent import Lstm

        return construct(Lstm, features_of(x), self.hidden, **self.options())


@component("gru", "x", Port("h0", optional=True), LENGTHS, outputs=("y", "h"))
class Gru(Recurrent):
    """y_t = h_t = (1 − z)·n + z·h_{t−1}; n = tanh(W·x_t + b + r·(U·h_{t−1} + d)), r and z are σ of the plain sum.

    x: [batch, seq, features] → y: [batch, seq, directions · hidden], every h_t;
    h: [layers · directions, batch, hidden], the last state; h0: the same, the first state, by default 0.
    lengths: [batch] integers, 0 to seq, beyond which x is padding: y is 0 there, h the state after the last
    position that counts, and the other direction starts from it; by default every position counts.
    Cho et al. 2014, arXiv:1406.1078, with the reset gate after the product, as in cuDNN and PyTorch.
    """

    gates: ClassVar[int] = 3

    def signature(self, x: TensorType, h0: TensorType | None = None, lengths: TensorType | None = None) -> Signature:
        """Return y and h."""
        return self.recurrent_signature(x, lengths, h0=h0)

    def construction(
        self, x: TensorType, h0: TensorType | None = None, lengths: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.GRU with the batch first."""
        from stackc.modules.recurrent import Gru

        return construct(Gru, features_of(x), self.hidden, **self.options())


@component("rnn", "x", Port("h0", optional=True), LENGTHS, outputs=("y", "h"))
class Rnn(Recurrent):
    """y_t = h_t = tanh(W·x_t + b + U·h_{t−1} + d), or relu of it.

    x: [batch, seq, features] → y: [batch, seq, directions · hidden], every h_t;
    h: [layers · directions, batch, hidden], the last state; h0: the same, the first state, by default 0.
    lengths: [batch] integers, 0 to seq, beyond which x is padding: y is 0 there, h the state after the last
    position that counts, and the other direction starts from it; by default every position counts.
    Elman 1990, doi:10.1207/s15516709cog1402_1.
    """

    gates: ClassVar[int] = 1

    activation: Annotated[Literal["tanh", "relu"], "the function of the sum"] = "tanh"

    def signature(self, x: TensorType, h0: TensorType | None = None, lengths: TensorType | None = None) -> Signature:
        """Return y and h."""
        return self.recurrent_signature(x, lengths, h0=h0)

    def construction(
        self, x: TensorType, h0: TensorType | None = None, lengths: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.RNN with the batch first."""
        from stackc.modules.recurrent import Rnn

        return construct(Rnn, features_of(x), self.hidden, activation=self.activation, **self.options())


# -- one step: for the cells of scans


@dataclass(frozen=True, kw_only=True)
class RecurrentCell(Component):
    """The base class of single steps: a signature by the number of gates and states."""

    gates: ClassVar[int]

    bias: Annotated[bool, "learn two biases per gate, as PyTorch does"] = True

    def pointwise_axes(self, x: TensorType, *states: TensorType) -> tuple[Axes, ...]:
        """Return the batch."""
        return ({0: (0,) * len(self.outputs)},) * (1 + len(states))

    def cell_signature(self, x: TensorType, **states: TensorType) -> Signature:
        """Return the next states; parameters under PyTorch's names. `states` are by port."""
        require_float(x)
        require_layout(x, "[batch, features]")
        (port, first), *others = states.items()
        require_layout(first, "[batch, hidden]", port)
        for name, state in (("x", x.with_last(features_of(first, port))), *others):
            if state != first:
                expected = first if name != "x" else first.with_shape(first.shape[0], x.shape[1])
                message = f"{port} is {first}, but {name} is {x if name == 'x' else state}, not {expected}"
                raise SignatureError(message, port=name)

        features, hidden = features_of(x), features_of(first, port)
        rows = self.gates * hidden
        parameters = {"weight_ih": x.with_shape(rows, features), "weight_hh": x.with_shape(rows, hidden)}
        if self.bias:
            parameters |= {"bias_ih": x.with_shape(rows), "bias_hh": x.with_shape(rows)}
        flops = 2 * x.shape[0] * rows * (features + hidden)
        return Signature((first,) * len(states), parameters, flops=flops)


@component("gru_cell", "x", "h", outputs=("y",))
class GruCell(RecurrentCell):
    """y = (1 − z)·n + z·h; n = tanh(W·x + b + r·(U·h + d)), r and z are σ of the plain sum: one step of `gru`.

    x: [batch, features], h: [batch, hidden] → y: [batch, hidden], the next state. Cho et al. 2014, arXiv:1406.1078.
    """

    gates: ClassVar[int] = 3

    def signature(self, x: TensorType, h: TensorType) -> Signature:
        """Return the next state."""
        return self.cell_signature(x, h=h)

    def construction(self, x: TensorType, h: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.GRUCell."""
        from torch import nn

        return construct(nn.GRUCell, features_of(x), features_of(h, "h"), bias=self.bias)


@component("lstm_cell", "x", "h", "c", outputs=("y", "c"))
class LstmCell(RecurrentCell):
    """y = o·tanh(c′), c′ = f·c + i·g; i, f, o = σ and g = tanh of W·x + b + U·h + d: one step of `lstm`.

    x: [batch, features], h and c: [batch, hidden] → y: [batch, hidden], the next h; c: the next c.
    Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735.
    """

    gates: ClassVar[int] = 4

    def signature(self, x: TensorType, h: TensorType, c: TensorType) -> Signature:
        """Return the next states."""
        return self.cell_signature(x, h=h, c=c)

    def construction(self, x: TensorType, h: TensorType, c: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.LSTMCell with both states as arguments."""
        from stackc.modules.recurrent import LstmCell

        return construct(LstmCell, features_of(x), features_of(h, "h"), bias=self.bias)
