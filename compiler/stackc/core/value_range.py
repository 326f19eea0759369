"""What an input may hold: a range of numbers, or some values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stackc.core.types import Dim


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The values that an input may hold: from `minimum` to `maximum`, both included, or only `choices`.

    An end of None is open. With `size`, whole numbers from 0 stay below a dim, and `maximum` is None: `at` has the
    range at an actual size. Whole numbers and those of a bool (0 and 1) are int, those of a float input are float.
    `assumed` names the parts that follow from neither the spec nor an embedding table ("min", "max", "values"): random
    inputs are drawn from them, but other values may work too. `assumption` says so in words; "" if there is no need.
    """

    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[int | float, ...] = ()
    assumed: tuple[str, ...] = ()
    assumption: str = field(default="", compare=False)
    size: Dim | None = None

    @staticmethod
    def ids(below: int | Dim) -> ValueRange:
        """Return the range of ids: whole numbers from 0 to `below` − 1."""
        number = below.constant if isinstance(below, Dim) else below
        return ValueRange(0, size=Dim.of(below)) if number is None else ValueRange(0, number - 1)

    def at(self, sizes: Mapping[str, int]) -> ValueRange:
        """Return the range at these sizes of the dims, which then has no `size`."""
        return self if self.size is None else replace(self, maximum=self.size.evaluate(sizes) - 1, size=None)

    @property
    def below(self) -> int | None:
        """The first whole number above the range, if the range starts at 0, as that of ids does; else None."""
        if self.choices or self.minimum != 0 or isinstance(self.minimum, float) or self.maximum is None:
            return None
        return int(self.maximum) + 1

    @property
    def binding(self) -> ValueRange | None:
        """The range without what is only assumed; None if nothing is left."""
        if "values" in self.assumed:
            return None
        minimum = None if "min" in self.assumed else self.minimum
        maximum = None if "max" in self.assumed else self.maximum
        size = None if "max" in self.assumed else self.size
        known = ValueRange(minimum, maximum, self.choices, size=size)
        return None if known == ValueRange() else known

    def declaration(self) -> dict[str, int | float | str | list[int | float]]:
        """Return the keys of a spec that declare the range: `values`, `below` for ids, else `min` and `max`."""
        if self.choices:
            return {"values": [*self.choices]}
        if self.size is not None:
            return {"below": str(self.size)}
        if self.below is not None:
            return {"below": self.below}
        ends = {"min": self.minimum, "max": self.maximum}
        return {key: end for key, end in ends.items() if end is not None}

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(map(str, self.choices[:10])) + (", …" if len(self.choices) > 10 else "")
        if self.size is not None:
            return f"whole numbers from 0 to {self.size} − 1"
        kind = "numbers" if isinstance(self.minimum, float) or isinstance(self.maximum, float) else "whole numbers"
        if self.minimum is None or self.maximum is None:
            end = f"of at least {self.minimum}" if self.maximum is None else f"of at most {self.maximum}"
            return f"{kind} {end}"
        return f"{kind} from {self.minimum} to {self.maximum}"
