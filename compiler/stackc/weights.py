"""Where parameters come from: a file of named tensors, and which of its names each parameter of the model has.

Nothing here imports torch but for files that PyTorch wrote, and those never unpickle code.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stackc.diagnostics import Collector, Diagnostic, Span, SpecError, near
from stackc.spec.document import WeightsDecl
from stackc.spec.tree import Value
from stackc.types import TensorType

Array = npt.NDArray[np.generic]
SUFFIXES = (".safetensors", ".npz", ".pt", ".pth", ".bin")


class TensorFile(Protocol):
    """Named tensors that are read one at a time."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor by name."""

    def read(self, name: str) -> Array:
        """One tensor, as the file has it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of a file, or what a parameter is of it: `NAME.T` transposed, `NAME[1/3]` the second third of axis 0.

    `NAME.T[1/3]` is first transposed, then cut. GPT-2 has its matrices so, queries, keys and values in one.
    """

    name: str
    transposed: bool = False
    piece: int = 0
    pieces: int = 1

    @staticmethod
    def of(text: str, names: Container[str]) -> Part:
        """What the text says; a name that the file has stands for itself."""
        match = re.fullmatch(r"(.+?)(\.T)?(?:\[(\d+)/(\d+)\])?", text)
        if text in names or match is None or int(match[3] or 0) >= int(match[4] or 1):
            return Part(text)
        return Part(match[1], match[2] is not None, int(match[3] or 0), int(match[4] or 1))

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
    """The tensors of a model by their names in its state_dict, each read from the file when it is asked for."""

    file: TensorFile
    names: Mapping[str, Part]
    types: Mapping[str, TensorType]

    def __getitem__(self, name: str) -> Array:
        part = self.names[name]
        return np.ascontiguousarray(part.take(self.file.read(part.name)), dtype=self.types[name].dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def open_weights(path: Path, span: Span | None = None) -> TensorFile:
    """A file of tensors by its suffix. SpecError W804 where there is none or it is broken."""
    if not path.is_file():
        raise SpecError(
            Diagnostic("W804", f"no weights at {path}", span, "a file, by --weights or under `weights: {file: …}`")
        )
    if path.suffix not in SUFFIXES:
        hint = f"stackc reads {', '.join(SUFFIXES)}"
        raise SpecError(Diagnostic("W804", f"{path.name}: weights of an unknown kind", span, hint))
    try:
        if path.suffix == ".safetensors":
            return _SafetensorsFile.open(path)
        return _NpzFile.open(path) if path.suffix == ".npz" else _TorchFile.open(path)
    except _BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"{path} is broken or not what its name says: {reason}"
        raise SpecError(
            Diagnostic("W804", message, span, "is the file whole? Compare its size with the original")
        ) from None


class _Unreadable(Exception):
    """A weight file that its library cannot read; the message is the library's."""


_BROKEN = (_Unreadable, OSError, ValueError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class _SafetensorsFile:
    path: Path
    shapes: Mapping[str, tuple[int, ...]]

    @staticmethod
    def open(path: Path) -> _SafetensorsFile:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                names: list[str] = list(file.keys())
                return _SafetensorsFile(path, {name: tuple(file.get_slice(name).get_shape()) for name in names})
        except SafetensorError as error:
            raise _Unreadable(str(error)) from None

    def read(self, name: str) -> Array:
        from safetensors import safe_open

        with safe_open(self.path, framework="numpy") as file:
            tensor: Array = file.get_tensor(name)
            return tensor


@dataclass(frozen=True)
class _NpzFile:
    path: Path
    shapes: Mapping[str, tuple[int, ...]]

    @staticmethod
    def open(path: Path) -> _NpzFile:
        with np.load(path, allow_pickle=False) as file:
            return _NpzFile(path, {name: file[name].shape for name in file.files})

    def read(self, name: str) -> Array:
        with np.load(self.path, allow_pickle=False) as file:
            tensor: Array = file[name]
            return tensor


@dataclass(frozen=True)
class _TorchFile:
    tensors: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @staticmethod
    def open(path: Path) -> _TorchFile:
        import pickle

        import torch

        try:
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except (pickle.UnpicklingError, RuntimeError) as error:
            raise _Unreadable(str(error)) from None
        if not isinstance(state, Mapping) or not all(isinstance(t, torch.Tensor) for t in state.values()):
            raise _Unreadable("it holds something else than a state_dict")
        tensors = {name: tensor.detach().numpy() for name, tensor in state.items()}
        return _TorchFile(tensors, {name: tensor.shape for name, tensor in tensors.items()})

    def read(self, name: str) -> Array:
        return self.tensors[name]


def match_weights(
    file: TensorFile, types: Mapping[str, TensorType], decl: WeightsDecl | None, where: str, span: Span | None = None
) -> Weights:
    """Every tensor of the model with its name in the file, by `weights: {map: …, ignore: …}` of the spec.

    `types` are the model's tensors. SpecError W801 for one that the file lacks, W802 for one of the file that the model
    has no place for, W803 for one of another shape; all together.
    """
    found = Collector()
    place = span or (decl.span if decl else None)
    rules = [_Rule.of(key, str(entry.value.data)) for key, entry in decl.names.items()] if decl else []
    names: dict[str, Part] = {}
    for name, type_ in types.items():
        wanted = _file_name(name, rules, file)
        part = Part.of(wanted, file.shapes)
        if part.name not in file.shapes:
            as_called = f" ('{wanted}')" if wanted != name else ""
            taken = {part.name for part in names.values()}
            hint = near(wanted, [n for n in file.shapes if n not in taken])
            found.error("W801", f"{where} has no tensor for '{name}'{as_called}", place, hint)
            continue
        names[name] = part
        shape, given = tuple(dim.evaluate({}) for dim in type_.shape), part.shape(file.shapes[part.name])
        if given != shape:
            message = f"'{name}' is {list(shape)} in the spec and {list(given)} in {where}"
            found.error("W803", message, place, _transposed_hint(shape, given, wanted))
    ignored = [_pattern(value) for value in (decl.ignore if decl else ())]
    for name in file.shapes.keys() - {part.name for part in names.values()}:
        if not any(pattern.fullmatch(name) for pattern in ignored):
            hint = "map it to a parameter, or name it under `weights: {ignore: […]}`"
            found.error("W802", f"{where} has '{name}', for which the spec has no place", place, hint)
    found.diagnostics[:] = _shortened(found.diagnostics)
    found.raise_if_any()
    return Weights(file, names, types)


def _transposed_hint(shape: tuple[int, ...], given: tuple[int, ...], wanted: str) -> str | None:
    return f"`{wanted}.T` takes it transposed" if len(shape) > 1 and given[::-1] == shape else None


def _file_name(name: str, rules: list[_Rule], file: TensorFile) -> str:
    """The name in the file; a reparametrized parameter goes by its plain name where the file has no original."""
    mapped = _mapped(name, rules)
    plain = re.sub(r"\bparametrizations\.([^.]+)\.original$", r"\1", name)
    return _mapped(plain, rules) if plain != name and Part.of(mapped, file.shapes).name not in file.shapes else mapped


def _mapped(name: str, rules: list[_Rule]) -> str:
    return next((new for rule in rules if (new := rule.apply(name)) is not None), name)


@dataclass(frozen=True)
class _Rule:
    """`encoder.*.attn.**` → `layer.*.attention.**`: the first `*` of one side is the first of the other, and so on."""

    source: re.Pattern[str]
    target: str

    @staticmethod
    def of(source: str, target: str) -> _Rule:
        return _Rule(_wildcards(source), target)

    def apply(self, name: str) -> str | None:
        """The name in the file, None where the rule does not speak of this one."""
        match = self.source.fullmatch(name)
        if match is None:
            return None
        parts = iter(match.groups())
        return re.sub(r"\*\*?", lambda star: next(parts, star[0]), self.target)


def _wildcards(pattern: str) -> re.Pattern[str]:
    """`*` stands for one part of a dotted name or a piece of it, `**` for any number of parts."""
    return re.compile(re.escape(pattern).replace(r"\*\*", "(.+)").replace(r"\*", "([^.]+)"))


def _pattern(value: Value) -> re.Pattern[str]:
    return _wildcards(str(value.data))


def _shortened(diagnostics: list[Diagnostic], most: int = 12) -> list[Diagnostic]:
    """The first few of each code, and how many more there are: a wrong file misses hundreds of tensors at once."""
    kept: list[Diagnostic] = []
    for code in dict.fromkeys(d.code for d in diagnostics):
        group = [d for d in diagnostics if d.code == code]
        kept += group[:most]
        if len(group) > most:
            kept.append(Diagnostic(code, f"… and {len(group) - most} more of this kind", group[0].span))
    return kept
