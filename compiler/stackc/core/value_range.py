"""What an input may hold: a range of numbers, or some values alone."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The values that an input may hold: from `minimum` to `maximum`, both included, or only `choices`.

    An end of None is open. Whole numbers and the numbers of a bool (0 and 1) are int, those of a float input are float.
    `assumed` names the parts that follow from neither the spec nor an embedding table ("min", "max", "values"): random
    inputs are drawn from them, but other values may work too. `assumption` says so in words; "" if there is no need.
    """

    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[int | float, ...] = ()
    assumed: tuple[str, ...] = ()
    assumption: str = field(default="", compare=False)

    @staticmethod
    def ids(below: int) -> ValueRange:
        """Return the range of ids: whole numbers from 0 to `below` − 1."""
        return ValueRange(0, below - 1)

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
        known = ValueRange(minimum, maximum, self.choices)
        return None if known == ValueRange() else known

    def declaration(self) -> dict[str, int | float | list[int | float]]:
        """Return the keys of a spec that declare the range: `values`, `below` for ids, else `min` and `max`."""
        if self.choices:
            return {"values": [*self.choices]}
        if self.below is not None:
            return {"below": self.below}
        ends = {"min": self.minimum, "max": self.maximum}
        return {key: end for key, end in ends.items() if end is not None}

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(map(str, self.choices[:10])) + (", …" if len(self.choices) > 10 else "")
        kind = "numbers" if isinstance(self.minimum, float) or isinstance(self.maximum, float) else "whole numbers"
        if self.minimum is None or self.maximum is None:
            end = f"of at least {self.minimum}" if self.maximum is None else f"of at most {self.maximum}"
            return f"{kind} {end}"
        return f"{kind} from {self.minimum} to {self.maximum}"
