"""Recurrent layers: one state carried along the positions of a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypedDict

from stackc.components.base import (
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


class RecurrentOptions(TypedDict):
    """What the modules of recurrent layers take beside sizes."""

    layers: int
    bias: bool
    dropout: float
    bidirectional: bool


@dataclass(frozen=True, kw_only=True)
class Recurrent(Component):
    """What the recurrent layers have in common: fields, and a signature by the number of gates and of states."""

    gates: ClassVar[int]

    hidden: Annotated[Size, "features of the state of one direction"]
    layers: Annotated[int, Range(minimum=1, maximum=1000), "layers, each on what the one before it gives"] = 1
    bidirectional: Annotated[bool, "read the sequence from both ends, and join what both give"] = False
    bias: Annotated[bool, "learn two biases for every gate, as PyTorch does"] = True
    dropout: Annotated[Probability, "the probability of dropout between two layers, in training"] = 0.0

    @property
    def directions(self) -> int:
        """2 where the sequence is read from both ends, else 1."""
        return 2 if self.bidirectional else 1

    def recurrent_signature(self, x: TensorType, **states: TensorType | None) -> Signature:
        """y and the last states; parameters under PyTorch's names. `states` has the first ones by port."""
        require_float(x)
        require_layout(x, "[batch, seq, features]")
        if self.dropout and self.layers == 1:
            raise SignatureError(
                "dropout has no meaning with one layer: it acts between two",
                code="T208",
                field="dropout",
                hint="take it out, put a dropout behind the node, or write `layers: 2`",
            )
        batch, seq = x.shape[:2]
        state = TensorType(x.dtype, (Dim.of(self.layers * self.directions), batch, Dim.of(self.hidden)))
        for port, given in states.items():
            if given is not None and given != state:
                raise SignatureError(f"needs a first state {state}, and gets {given}", port=port)
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
        """The fields that all of the modules take alike."""
        return {
            "layers": self.layers,
            "bias": self.bias,
            "dropout": self.dropout,
            "bidirectional": self.bidirectional,
        }

    def _parameters(self, suffix: str, rows: int, features: int, dtype: str) -> dict[str, TensorType]:
        """The weights and biases of one layer in one direction."""
        shapes = {"weight_ih": shape(rows, features), "weight_hh": shape(rows, self.hidden)}
        if self.bias:
            shapes |= {"bias_ih": shape(rows), "bias_hh": shape(rows)}
        return {name + suffix: TensorType(dtype, sizes) for name, sizes in shapes.items()}


@component("lstm", "x", Port("h0", optional=True), Port("c0", optional=True), outputs=("y", "h", "c"))
class Lstm(Recurrent):
    """y_t = h_t = o·tanh(c_t), c_t = f·c_{t−1} + i·g; i, f, o = σ and g = tanh of W·x_t + b + U·h_{t−1} + d.

    x: [batch, seq, features] → y: [batch, seq, directions · hidden], every h_t;
    h, c: [layers · directions, batch, hidden], the last states; h0, c0: like them, the first ones, by default 0.
    Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735, with the forget gate of Gers et al. 2000.
    """

    gates: ClassVar[int] = 4

    def signature(self, x: TensorType, h0: TensorType | None = None, c0: TensorType | None = None) -> Signature:
        """y, h and c."""
        return self.recurrent_signature(x, h0=h0, c0=c0)

    def construction(
        self, x: TensorType, h0: TensorType | None = None, c0: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """torch.nn.LSTM, its outputs side by side."""
        from stackc.modules.recurrent import Lstm

        return construct(Lstm, features_of(x), self.hidden, **self.options())


@component("gru", "x", Port("h0", optional=True), outputs=("y", "h"))
class Gru(Recurrent):
    """y_t = h_t = (1 − z)·n + z·h_{t−1}; n = tanh(W·x_t + b + r·(U·h_{t−1} + d)), r and z σ of the plain sum.

    x: [batch, seq, features] → y: [batch, seq, directions · hidden], every h_t;
    h: [layers · directions, batch, hidden], the last state; h0: like it, the first one, by default 0.
    Cho et al. 2014, arXiv:1406.1078, with the reset gate behind the product, as cuDNN and PyTorch have it.
    """

    gates: ClassVar[int] = 3

    def signature(self, x: TensorType, h0: TensorType | None = None) -> Signature:
        """y and h."""
        return self.recurrent_signature(x, h0=h0)

    def construction(self, x: TensorType, h0: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """torch.nn.GRU."""
        from stackc.modules.recurrent import Gru

        return construct(Gru, features_of(x), self.hidden, **self.options())


@component("rnn", "x", Port("h0", optional=True), outputs=("y", "h"))
class Rnn(Recurrent):
    """y_t = h_t = tanh(W·x_t + b + U·h_{t−1} + d), or relu of it.

    x: [batch, seq, features] → y: [batch, seq, directions · hidden], every h_t;
    h: [layers · directions, batch, hidden], the last state; h0: like it, the first one, by default 0.
    Elman 1990, doi:10.1207/s15516709cog1402_1.
    """

    gates: ClassVar[int] = 1

    activation: Annotated[Literal["tanh", "relu"], "what the sum goes through"] = "tanh"

    def signature(self, x: TensorType, h0: TensorType | None = None) -> Signature:
        """y and h."""
        return self.recurrent_signature(x, h0=h0)

    def construction(self, x: TensorType, h0: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """torch.nn.RNN."""
        from stackc.modules.recurrent import Rnn

        return construct(Rnn, features_of(x), self.hidden, activation=self.activation, **self.options())
