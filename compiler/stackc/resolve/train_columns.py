"""`columns` of the data under `train:`: what each input is made from, held to what the inputs are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, TypeVar

from stackc.components.fields import Size
from stackc.core.diagnostics import Collector, Span, did_you_mean
from stackc.core.types import Bounds, DimContract, TensorType
from stackc.ir.training import Decoder, InputSource
from stackc.spec.yaml.getters import Getter
from stackc.spec.yaml.tree import Entry, Value

T = TypeVar("T")
FROM = "from"
"""The key of the columns, which is a word of Python."""

ReadMapping = Callable[[type["ColumnFields"], Mapping[str, Entry], str, Entry], "ColumnFields | None"]


@dataclass(frozen=True, kw_only=True)
class ColumnFields:
    """A mapping among `columns`, but for `from`."""

    decode: Annotated[Decoder | None, "what the files are whose paths the column has"] = None
    resize: Annotated[bool, "whether images are resized to the size of the input"] = False
    sample_rate: Annotated[Size | None, "the samples a second that waveforms have to have"] = None
    tokenizer: Annotated[str | None, "the tokenizer.json that makes ids of texts"] = None
    classes: Annotated[tuple[str, ...], "the texts that stand for 0, 1, 2, …"] = ()
    pad: Annotated[float | None, "what fills up the shorter rows of a batch"] = None
    truncate: Annotated[bool, "whether rows are cut to the largest size that `dims` allows"] = False
    mask: Annotated[str | None, "the input with 1 for what the row has, 0 for what fills it up"] = None
    lengths: Annotated[str | None, "the input with the length of each row"] = None
    types: Annotated[str | None, "the input with the type of each token: 0, and 1 in the second text"] = None
    join: Annotated[bool, "whether the rows of a batch follow each other along one axis, as nodes of graphs"] = False
    offset: Annotated[str | None, "the joined input whose entries these whole numbers count"] = None
    members: Annotated[str | None, "the input with the number of the example of each entry"] = None


_MADE = ("mask", "lengths", "types", "members")


def read_columns(
    entry: Entry | None,
    inputs: Mapping[str, TensorType],
    contract: DimContract,
    read: ReadMapping,
    diagnostics: Collector,
) -> dict[str, InputSource]:
    """Return what each input is made from.

    Reports L104 for inputs that do not exist, L108 for what cannot make the input, N309 and N310 for fields.
    """
    columns: dict[str, InputSource] = {}
    places: dict[str, Span] = {}
    written = Getter.of(entry.value, "train.data.columns", diagnostics).entries if entry else {}
    for name, item in written.items():
        if name not in inputs:
            message = f"train.data.columns names '{name}', which is no input"
            diagnostics.error("L104", message, item.key, did_you_mean(name, inputs))
        elif (source := _source(name, item, read, diagnostics)) is not None:
            columns[name], places[name] = source, item.key

    for name, source in columns.items():
        type_ = inputs[name]
        alone, together = _problems(name, source, type_, contract), _problems_of_joined(name, source, columns, type_)
        for message, hint in (*alone, *together):
            diagnostics.error("L108", f"train.data.columns.{name}{message}", places[name], hint)
    _check_made(columns, places, inputs, written, diagnostics)
    return columns


def _source(name: str, item: Entry, read: ReadMapping, diagnostics: Collector) -> InputSource | None:
    """Read `age`, `[age, income]` or a mapping; None, reported, if it is wrong."""
    where = f"train.data.columns.{name}"
    if not isinstance(item.value.data, Mapping):
        names = _names(item.value, where, diagnostics)
        return InputSource(names) if names else None

    entries = dict(item.value.data)
    written = entries.pop(FROM, None)
    names = _names(written.value, f"{where}.{FROM}", diagnostics) if written else (name,)
    fields = read(ColumnFields, entries, where, item)
    return InputSource(names, **asdict(fields)) if fields and names else None


def _names(value: Value, where: str, diagnostics: Collector) -> tuple[str, ...]:
    names = tuple(str(each.data) for each in value.as_id.listed if isinstance(each.as_id.data, str | int))
    if not names or len(names) < len(value.listed):
        message = f"{where} must be a column, or a list of columns"
        diagnostics.error("S005", message, value.span, "for example `age`, or `[age, income]`")
        return ()
    return names


def _problems(name: str, source: InputSource, type_: TensorType, contract: DimContract) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with how an input is made, and what to do."""
    if (source.mask or source.lengths or source.truncate) and source.pad is None and not source.join:
        yield " makes a mask, lengths or shorter rows, but fills up nothing", "write `pad: 0`"
    if source.pad is not None and len(type_.shape) < 2:
        yield f" fills up rows, but '{name}' has one number for each", "leave out `pad`"
    if source.tokenizer and not type_.dtype.startswith("int"):
        yield f" makes ids, but '{name}' is {type_.dtype}", f"write `{name}: {{dtype: int64, …}}` for the input"
    if source.types and not source.tokenizer:
        yield " makes types of tokens without a tokenizer", "write `tokenizer: tokenizer.json`"
    if source.sample_rate and source.decode != "audio":
        yield " has a sample rate, but reads no waveforms", "write `decode: audio`"
    if source.decode and len(source.columns) > 1:
        yield " reads files that several columns name", "name one column with `from`"
    if source.truncate and len(type_.shape) > 1 and Bounds(contract).largest(type_.shape[1]) is None:
        dim = next(iter(type_.shape[1].symbols()))
        yield " cuts rows, but to no size", f"write `dims: {{{dim}: {{max: 512}}}}`"
    yield from _problems_of_images(name, source, type_)


def _problems_of_images(name: str, source: InputSource, type_: TensorType) -> Iterator[tuple[str, str]]:
    if source.resize and source.decode != "image":
        yield " resizes, but reads no images", "write `decode: image`"
    elif source.resize and (size := image_axes(type_)) and any(type_.shape[axis].constant is None for axis in size[1:]):
        yield (
            f" resizes to the size of '{name}', which is not fixed",
            "write numbers or params for its height and width",
        )
    if source.decode == "image" and not image_axes(type_):
        shape = ", ".join(map(str, type_.shape))
        hint = "an image is [batch, channels, height, width] with 1, 3 or 4 channels, or [batch, height, width]"
        yield f" reads images, but '{name}' is [{shape}]", hint


def _problems_of_joined(
    name: str, source: InputSource, columns: Mapping[str, InputSource], type_: TensorType
) -> Iterator[tuple[str, str]]:
    if source.join and joined_axis(type_) is None:
        yield f" joins rows, but no axis of '{name}' has a free size", "name a dim in its shape"
    if source.join and (source.pad is not None or source.tokenizer or source.decode):
        yield " joins rows, so that nothing is filled up, read or tokenized", "leave out `join`, or the rest"
    if (source.offset or source.members) and not source.join:
        yield " counts entries that are not joined", "write `join: true`"
    elif source.offset and not (source.offset in columns and columns[source.offset].join):
        yield (
            f" counts the entries of '{source.offset}', which is not joined",
            f"write `{source.offset}: {{join: true}}`",
        )


def _check_made(
    columns: Mapping[str, InputSource],
    places: Mapping[str, Span],
    inputs: Mapping[str, TensorType],
    written: Mapping[str, Entry],
    diagnostics: Collector,
) -> None:
    """Report L104 for what is made of no input, L108 for an input that is made twice."""
    makers = {name: name for name in columns}
    for name, source in columns.items():
        for key in _MADE:
            made = getattr(source, key)
            if made is None:
                continue
            if made not in inputs:
                message = f"train.data.columns.{name}.{key} names '{made}', which is no input"
                fields = written[name].value.data
                assert isinstance(fields, Mapping), "only a mapping makes further inputs"
                diagnostics.error("L104", message, fields[key].value.span, did_you_mean(made, inputs))
            elif makers.setdefault(made, name) != name or made == name:
                message = f"train.data.columns.{name}.{key} makes '{made}', which is made of a column already"
                diagnostics.error("L108", message, places[name], "keep one of the two")


def image_axes(type_: TensorType) -> tuple[int | None, int, int] | None:
    """Return the axes of channels, height and width of an input of images; None if it is none.

    Channels are axis 1, or else the last one, if 1, 3 or 4 is its size; a gray image may have no such axis.
    """
    if len(type_.shape) == 3:
        return None, 1, 2
    if len(type_.shape) != 4:
        return None
    for axis, others in ((1, (2, 3)), (3, (1, 2))):
        if type_.shape[axis].constant in (1, 3, 4):
            return axis, *others
    return None


def joined_axis(type_: TensorType) -> int | None:
    """Return the axis along which examples follow each other: the first whose size is not fixed."""
    return next((axis for axis, size in enumerate(type_.shape) if size.constant is None), None)
