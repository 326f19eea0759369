"""Products of vectors and matrices."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Dot(nn.Module):
    """The dot product of two vectors along an axis."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """[..., n, ...] each → [..., ...]."""
        return (a * b).sum(dim=self.axis)


class Matmul(nn.Module):
    """The product of two matrices."""

    def __init__(self, transposed: bool = False) -> None:
        super().__init__()
        self.transposed = transposed

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """x [..., m, k], other [..., k, n], or [..., n, k] if transposed → [..., m, n]."""
        return x @ (other.transpose(-2, -1) if self.transposed else other)


class Einsum(nn.Module):
    """A sum of products by subscripts."""

    def __init__(self, equation: str) -> None:
        super().__init__()
        self.equation = equation

    def forward(self, *x: Tensor) -> Tensor:
        """One tensor for each list of letters → the letters after the arrow."""
        return torch.einsum(self.equation, *x)

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor] | None:
        """Become a MatMul for each pair: ONNX Runtime's Einsum ends the process if an axis is empty."""
        left, output = self.equation.split("->")
        lists = left.split(",")
        if any(len(set(letters)) < len(letters) for letters in lists):
            return None  # a diagonal

        def forward(*x: Tensor) -> Tensor:
            y, letters = x[0], lists[0]
            for place, other in enumerate(lists[1:], 1):
                y, letters = contract(y, letters, x[place], other, set(output).union(*lists[place + 1 :]))
            y, letters = sum_out(y, letters, set(output))
            return y.permute([letters.index(letter) for letter in output])

        return forward


def contract(a: Tensor, of_a: str, b: Tensor, of_b: str, needed: set[str]) -> tuple[Tensor, str]:
    """Return the product of two tensors, summed over the letters that are not needed, with its letters."""
    a, of_a = sum_out(a, of_a, needed.union(of_b))
    b, of_b = sum_out(b, of_b, needed.union(of_a))
    shared = "".join(letter for letter in of_a if letter in of_b and letter in needed)
    summed = "".join(letter for letter in of_a if letter in of_b and letter not in needed)
    rows = "".join(letter for letter in of_a if letter not in of_b)
    columns = "".join(letter for letter in of_b if letter not in of_a)

    # [shared, rows, summed] · [shared, summed, columns], each group of letters as one axis
    left = a.permute([of_a.index(letter) for letter in shared + rows + summed])
    right = b.permute([of_b.index(letter) for letter in shared + summed + columns])
    sizes = dict(zip(of_a + of_b, (*a.shape, *b.shape), strict=True))
    count = {group: math.prod(sizes[letter] for letter in group) for group in (rows, summed, columns)}
    batch = [sizes[letter] for letter in shared]
    product = left.reshape(*batch, count[rows], count[summed]) @ right.reshape(*batch, count[summed], count[columns])

    letters = shared + rows + columns
    return product.reshape([sizes[letter] for letter in letters]), letters


def sum_out(x: Tensor, letters: str, needed: set[str]) -> tuple[Tensor, str]:
    """Return the sum over the axes whose letter is not needed, and the letters that are left."""
    for axis in reversed(range(len(letters))):
        if letters[axis] not in needed:
            x = x.sum(dim=axis)
    return x, "".join(letter for letter in letters if letter in needed)
