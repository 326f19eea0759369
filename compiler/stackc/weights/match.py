"""Match the parameters of a model with the tensors of a file.

Requires the tensor types of a program and an open file; ensures that every tensor of the program has exactly one source
of its shape in the file, and that no tensor of the file is left over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stackc.core.diagnostics import Collector, Diagnostic, Span, did_you_mean
from stackc.core.suggestions import bounded_suggestions
from stackc.core.types import FLOATS, TensorType
from stackc.spec.document import Document, WeightsDecl
from stackc.weights.files import Array, TensorFile
from stackc.weights.rules import Rule, older_name, plain_file_name, wildcards


def weights_path(document: Document, override: Path | None) -> tuple[Path | None, Span | None]:
    """Return the file of weights and the span that names it: the override of the command line, or the spec's file.

    A path in a spec is relative to the folder of the spec. The path is None if neither names a file.
    """
    if override is not None:
        return override, None
    file = document.weights.file if document.weights else None
    return (Path(document.file).parent / str(file.data), file.span) if file else (None, None)


@dataclass(frozen=True, slots=True)
class TensorSource:
    """A tensor of a file, or the part of it that a parameter is: `NAME.T` transposed, `NAME[1/3]` its second third.

    `NAME.T[1/3]` is first transposed, then cut along axis 0. GPT-2 stores its matrices so: queries, keys and values
    in one.
    """

    name: str
    transposed: bool = False
    piece: int = 0
    pieces: int = 1

    @staticmethod
    def of(text: str, names: Container[str]) -> TensorSource:
        """Parse the text; a name that the file has is taken literally."""
        match = re.fullmatch(r"(.+?)(\.T)?(?:\[(\d{1,4})/(\d{1,4})\])?", text)
        if text in names or match is None or int(match[3] or 0) >= int(match[4] or 1):
            return TensorSource(text)
        return TensorSource(match[1], match[2] is not None, int(match[3] or 0), int(match[4] or 1))

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the part of a tensor of shape `whole`; `whole` itself if it cannot be cut so."""
        shape = whole[::-1] if self.transposed else whole
        return (shape[0] // self.pieces, *shape[1:]) if shape and shape[0] % self.pieces == 0 else whole

    def take(self, whole: Array) -> Array:
        """Return the part of a tensor, as a view."""
        array = whole.T if self.transposed else whole
        return np.split(array, self.pieces)[self.piece] if self.pieces > 1 else array


@dataclass(frozen=True)
class Weights(Mapping[str, Array]):
    """The tensors of a model by their names in its state_dict, each read from the file when it is accessed.

    A tensor that the file stores as the model needs it is a view of the file, not a copy.
    """

    file: TensorFile
    names: Mapping[str, TensorSource]
    types: Mapping[str, TensorType]

    def __getitem__(self, name: str) -> Array:
        source = self.names[name]
        return np.asarray(source.take(self.file.read(source.name)), dtype=self.types[name].dtype, order="C")

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@bounded_suggestions()
def match_weights(
    file: TensorFile,
    types: Mapping[str, TensorType],
    decl: WeightsDecl | None,
    file_name: str,
    span: Span | None = None,
) -> Weights:
    """Find the tensor of the file for every tensor of the model, by `weights: {map: …, ignore: …}` of the spec.

    `types` are the model's tensors, `file_name` is for messages. Raises SpecError with all problems:
    W801 for a tensor that the file lacks, W802 for one of the file that no parameter uses, W803 for one of another
    shape or type.
    """
    rules = [Rule.of(key, str(entry.value.data)) for key, entry in decl.names.items()] if decl else []
    matcher = _Matcher(file, file_name, span or (decl.span if decl else None), rules)
    for name, type_ in types.items():
        matcher.match(name, type_)

    ignored = [wildcards(str(pattern.data)) for pattern in (decl.ignore if decl else ())]
    matcher.require_all_used(ignored)

    matcher.diagnostics.diagnostics[:] = _shortened(matcher.diagnostics.diagnostics)
    matcher.diagnostics.raise_if_any()
    return Weights(file, matcher.sources, types)


@dataclass
class _Matcher:
    """Finds the source of each parameter; `file_name` and `span` are for messages."""

    file: TensorFile
    file_name: str
    span: Span | None
    rules: list[Rule]
    sources: dict[str, TensorSource] = field(default_factory=dict)
    diagnostics: Collector = field(default_factory=Collector)

    def match(self, name: str, type_: TensorType) -> None:
        """Find the source of a parameter and compare its type and shape. Reports W801 and W803."""
        wanted = self._name_in_file(name)
        source = TensorSource.of(wanted, self.file.shapes)
        if source.name not in self.file.shapes:
            mapped_to = f" ('{wanted}')" if wanted != name else ""
            hint = self._missing_hint(name, wanted)
            self._error("W801", f"{self.file_name} has no tensor for '{name}'{mapped_to}", hint)
            return

        self.sources[name] = source
        dtype = self.file.dtypes[source.name]
        if not _is_readable_as(dtype, type_):
            message = f"'{name}' is {type_.dtype} in the spec but {dtype} in {self.file_name}"
            self._error("W803", message, _readable_hint(type_))
            return

        shape = tuple(dim.evaluate({}) for dim in type_.shape)
        file_shape = source.shape(self.file.shapes[source.name])
        if file_shape != shape:
            message = f"'{name}' has shape {list(shape)} in the spec but {list(file_shape)} in {self.file_name}"
            self._error("W803", message, _transposed_hint(shape, file_shape, wanted))

    def _missing_hint(self, name: str, wanted: str) -> str | None:
        """Return a hint for a parameter without a tensor: its older name in PyTorch, or else the nearest unused one."""
        older, used = older_name(name), self._used()
        if older in self.file.shapes:
            return f"'{older}' is its older name in PyTorch: write `weights: {{map: {{{name}: {older}}}}}`"
        return did_you_mean(wanted, [candidate for candidate in self.file.shapes if candidate not in used])

    def require_all_used(self, ignored: list[re.Pattern[str]]) -> None:
        """Report W802 for every tensor of the file that is neither used nor ignored."""
        used = self._used()
        for name in self.file.shapes:
            if name not in used and not any(pattern.fullmatch(name) for pattern in ignored):
                hint = "map it to a parameter, or list it under `weights: {ignore: […]}`"
                self._error("W802", f"{self.file_name} has '{name}', which no parameter uses", hint)

    def _name_in_file(self, name: str) -> str:
        """Return the name in the file; a reparametrized parameter has its plain name if the file has no original."""
        mapped = _map_name(name, self.rules)
        plain = plain_file_name(name)
        has_original = TensorSource.of(mapped, self.file.shapes).name in self.file.shapes
        return mapped if plain == name or has_original else _map_name(plain, self.rules)

    def _used(self) -> Collection[str]:
        return {source.name for source in self.sources.values()}

    def _error(self, code: str, message: str, hint: str | None) -> None:
        self.diagnostics.error(code, message, self.span, hint)


def _map_name(name: str, rules: list[Rule]) -> str:
    return next((mapped for rule in rules if (mapped := rule.apply(name)) is not None), name)


def _is_readable_as(dtype: str, type_: TensorType) -> bool:
    """Return whether a tensor can be read from a dtype of the file: floats from floats, whole numbers from integers."""
    return dtype in FLOATS if type_.is_float else dtype.startswith(("int", "uint"))


def _readable_hint(type_: TensorType) -> str:
    if type_.is_float:
        return "a float parameter is read from float16, bfloat16, float32 or float64"
    return "a parameter of whole numbers is read from integers"


def _transposed_hint(shape: tuple[int, ...], file_shape: tuple[int, ...], wanted: str) -> str | None:
    return f"`{wanted}.T` takes it transposed" if len(shape) > 1 and file_shape[::-1] == shape else None


def _shortened(diagnostics: list[Diagnostic], most: int = 12) -> list[Diagnostic]:
    """Keep the first few of each code, and count the others: a wrong file misses hundreds of tensors at once."""
    kept: list[Diagnostic] = []
    for code in dict.fromkeys(d.code for d in diagnostics):
        group = [d for d in diagnostics if d.code == code]
        kept += group[:most]
        if len(group) > most:
            kept.append(Diagnostic(code, f"… and {len(group) - most} more of this kind", group[0].span))
    return kept
