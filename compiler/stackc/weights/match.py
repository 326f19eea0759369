"""Where parameters come from: which tensor of a file, under which name, each parameter of the model is."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stackc.core.diagnostics import Collector, Diagnostic, Span, did_you_mean
from stackc.core.types import FLOATS, TensorType
from stackc.spec.document import WeightsDecl
from stackc.spec.yaml.tree import Value
from stackc.weights.files import Array, TensorFile
from stackc.weights.rules import Rule, plain_file_name, wildcards


@dataclass(frozen=True, slots=True)
class TensorSource:
    """A tensor of a file, or what a parameter is of it: `NAME.T` transposed, `NAME[1/3]` the second third of axis 0.

    `NAME.T[1/3]` is first transposed, then cut. GPT-2 has its matrices so, queries, keys and values in one.
    """

    name: str
    transposed: bool = False
    piece: int = 0
    pieces: int = 1

    @staticmethod
    def of(text: str, names: Container[str]) -> TensorSource:
        """What the text says; a name that the file has stands for itself."""
        match = re.fullmatch(r"(.+?)(\.T)?(?:\[(\d{1,4})/(\d{1,4})\])?", text)
        if text in names or match is None or int(match[3] or 0) >= int(match[4] or 1):
            return TensorSource(text)
        return TensorSource(match[1], match[2] is not None, int(match[3] or 0), int(match[4] or 1))

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """Its shape, for a tensor of this one; that one where it has no such part."""
        shape = whole[::-1] if self.transposed else whole
        return (shape[0] // self.pieces, *shape[1:]) if shape and shape[0] % self.pieces == 0 else whole

    def take(self, whole: Array) -> Array:
        """The part itself."""
        array = whole.T if self.transposed else whole
        return np.split(array, self.pieces)[self.piece] if self.pieces > 1 else array


@dataclass(frozen=True)
class Weights(Mapping[str, Array]):
    """The tensors of a model by their names in its state_dict, each read from the file when it is asked for.

    One that the file has as the model wants it is no copy but a view of the file.
    """

    file: TensorFile
    names: Mapping[str, TensorSource]
    types: Mapping[str, TensorType]

    def __getitem__(self, name: str) -> Array:
        part = self.names[name]
        return np.asarray(part.take(self.file.read(part.name)), dtype=self.types[name].dtype, order="C")

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def match_weights(
    file: TensorFile, types: Mapping[str, TensorType], decl: WeightsDecl | None, where: str, span: Span | None = None
) -> Weights:
    """Every tensor of the model with its name in the file, by `weights: {map: …, ignore: …}` of the spec.

    `types` are the model's tensors. SpecError W801 for one that the file lacks, W802 for one of the file that the model
    has no place for, W803 for one of another shape; all together.
    """
    diagnostics = Collector()
    place = span or (decl.span if decl else None)
    rules = [Rule.of(key, str(entry.value.data)) for key, entry in decl.names.items()] if decl else []
    names: dict[str, TensorSource] = {}
    for name, type_ in types.items():
        wanted = _file_name(name, rules, file)
        part = TensorSource.of(wanted, file.shapes)
        if part.name not in file.shapes:
            as_called = f" ('{wanted}')" if wanted != name else ""
            taken = {part.name for part in names.values()}
            hint = did_you_mean(wanted, [n for n in file.shapes if n not in taken])
            diagnostics.error("W801", f"{where} has no tensor for '{name}'{as_called}", place, hint)
            continue
        names[name] = part
        if not _fits(file.dtypes[part.name], type_):
            message = f"'{name}' is {type_.dtype} in the spec and {file.dtypes[part.name]} in {where}"
            diagnostics.error(
                "W803", message, place, "a float parameter is read from float16, bfloat16, float32 or float64"
            )
            continue
        shape, given = tuple(dim.evaluate({}) for dim in type_.shape), part.shape(file.shapes[part.name])
        if given != shape:
            message = f"'{name}' is {list(shape)} in the spec and {list(given)} in {where}"
            diagnostics.error("W803", message, place, _transposed_hint(shape, given, wanted))
    ignored = [_pattern(value) for value in (decl.ignore if decl else ())]
    used = {part.name for part in names.values()}
    for name in file.shapes:
        if name not in used and not any(pattern.fullmatch(name) for pattern in ignored):
            hint = "map it to a parameter, or name it under `weights: {ignore: […]}`"
            diagnostics.error("W802", f"{where} has '{name}', for which the spec has no place", place, hint)
    diagnostics.diagnostics[:] = _shortened(diagnostics.diagnostics)
    diagnostics.raise_if_any()
    return Weights(file, names, types)


def _fits(dtype: str, type_: TensorType) -> bool:
    """Whether elements of a file's type can become those of a tensor: no float comes of an integer, nor the reverse."""
    return dtype in FLOATS if type_.is_float else dtype.startswith(("int", "uint"))


def _transposed_hint(shape: tuple[int, ...], given: tuple[int, ...], wanted: str) -> str | None:
    return f"`{wanted}.T` takes it transposed" if len(shape) > 1 and given[::-1] == shape else None


def _file_name(name: str, rules: list[Rule], file: TensorFile) -> str:
    """The name in the file; a reparametrized parameter goes by its plain name where the file has no original."""
    mapped = _mapped(name, rules)
    plain = plain_file_name(name)
    return (
        _mapped(plain, rules)
        if plain != name and TensorSource.of(mapped, file.shapes).name not in file.shapes
        else mapped
    )


def _mapped(name: str, rules: list[Rule]) -> str:
    return next((new for rule in rules if (new := rule.apply(name)) is not None), name)


def _pattern(value: Value) -> re.Pattern[str]:
    return wildcards(str(value.data))


def _shortened(diagnostics: list[Diagnostic], most: int = 12) -> list[Diagnostic]:
    """The first few of each code, and how many more there are: a wrong file misses hundreds of tensors at once."""
    kept: list[Diagnostic] = []
    for code in dict.fromkeys(d.code for d in diagnostics):
        group = [d for d in diagnostics if d.code == code]
        kept += group[:most]
        if len(group) > most:
            kept.append(Diagnostic(code, f"… and {len(group) - most} more of this kind", group[0].span))
    return kept
