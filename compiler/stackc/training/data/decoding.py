"""Images (Pillow), waveforms (soundfile) and texts (tokenizers) as arrays."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import TensorType
from stackc.ir.training import InputSource
from stackc.resolve.train_columns import image_axes
from stackc.runtime import Array
from stackc.training.data.column_store import RowError, Taken, needed_package

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class ImageDecoder:
    """Reads images for an input: its channels first or last; from 0 to 1 for floats, from 0 to 255 for others."""

    type_: TensorType
    resize: bool
    folder: Path

    def __call__(self, values: Taken) -> list[Array]:
        """Return images, of paths or of the bytes of files. Raises RowError for one that does not fit."""
        return [self._image(index, value) for index, value in enumerate(values)]

    def _image(self, index: int, value: Any) -> Array:
        pillow = needed_package("PIL.Image", "reading images")
        axes = image_axes(self.type_)
        assert axes is not None, "held to that when the spec is checked"
        channel, *size_axes = axes
        channels = 1 if channel is None else self.type_.shape[channel].constant
        height, width = (self.type_.shape[axis].constant for axis in size_axes)

        file = _file(value, self.folder, index)
        try:
            with pillow.open(file) as opened:
                image = opened.convert(_MODES[channels or 1])
        except (OSError, ValueError, pillow.DecompressionBombError) as error:
            raise RowError(index, f"cannot read the image {_shown(value)}: {_reason(error)}") from None

        if self.resize and image.size != (width, height):
            image = image.resize((width, height), pillow.Resampling.BILINEAR)
        if (height is not None and image.height != height) or (width is not None and image.width != width):
            wanted = f"{width or 'any'}×{height or 'any'}"
            message = f"the image {_shown(value)} is {image.width}×{image.height}, not {wanted} pixels"
            raise RowError(index, message, "write `decode: image, resize: true` for the input in `columns`")

        array = np.asarray(image)
        if channel == 1:
            array = array.reshape(*array.shape[:2], -1).transpose(2, 0, 1)
        elif channel == 3:
            array = array.reshape(*array.shape[:2], -1)
        return array.astype(np.float32) / np.float32(255) if self.type_.dtype.startswith(("float", "bf")) else array


@dataclass(frozen=True)
class AudioDecoder:
    """Reads waveforms from −1 to 1: [samples] for one channel, else [samples, channels]."""

    sample_rate: int | None
    folder: Path

    def __call__(self, values: Taken) -> list[Array]:
        """Return waveforms. Raises RowError for one that cannot be read, or has another sample rate."""
        return [self._waveform(index, value) for index, value in enumerate(values)]

    def _waveform(self, index: int, value: Any) -> Array:
        soundfile = needed_package("soundfile", "reading waveforms")
        try:
            samples, rate = soundfile.read(_file(value, self.folder, index), dtype="float32")
        except (OSError, soundfile.SoundFileError) as error:
            raise RowError(index, f"cannot read the waveform {_shown(value)}: {_reason(error)}") from None
        if self.sample_rate is not None and rate != self.sample_rate:
            message = f"the waveform {_shown(value)} has {rate:,} samples a second, not {self.sample_rate:,}"
            raise RowError(index, message, f"convert it: `ffmpeg -i in.wav -ar {self.sample_rate} out.wav`")
        waveform: Array = samples
        return waveform


@dataclass(frozen=True)
class TextEncoder:
    """Makes ids of texts, or of pairs of texts, with a tokenizer.json."""

    tokenizer: Any

    @staticmethod
    def open(path: Path, longest: int | None) -> TextEncoder:
        """Load a tokenizer, which cuts texts to the `longest`, special tokens included; None cuts nothing.

        Raises SpecError L201 if the file cannot be read.
        """
        tokenizers = needed_package("tokenizers", "making ids of texts")
        try:
            tokenizer = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
        except Exception as error:  # tokenizers raises Exception itself
            reason = getattr(error, "strerror", None) or error
            raise SpecError(Diagnostic("L201", f"cannot read the tokenizer {path}: {reason}")) from None
        tokenizer.no_padding()
        tokenizer.no_truncation() if longest is None else tokenizer.enable_truncation(longest)
        return TextEncoder(tokenizer)

    def __call__(self, texts: Sequence[Taken]) -> tuple[list[Array], list[Array]]:
        """Return the ids and the types of the tokens of each row. Raises RowError for what is no text."""
        for column in texts:
            for index, text in enumerate(column):
                if not isinstance(text, str):
                    raise RowError(index, f"the tokenizer takes texts, not {_shown(text)}")
        rows = list(texts[0]) if len(texts) == 1 else list(zip(*texts, strict=True))
        encodings = self.tokenizer.encode_batch(rows)
        ids = [np.array(each.ids, np.int64) for each in encodings]
        return ids, [np.array(each.type_ids, np.int64) for each in encodings]


def class_numbers(values: Taken, source: InputSource) -> Array:
    """Return the number of each text among the classes; numbers stay. Raises RowError for one that is not there."""
    if isinstance(values, np.ndarray):
        return values
    numbers = {name: number for number, name in enumerate(source.classes)}
    for index, value in enumerate(values):
        if not isinstance(value, str) or value not in numbers:
            raise RowError(index, f"{_shown(value)} is no class", f"they are {', '.join(source.classes)}")
    return np.array([numbers[value] for value in values], np.int64)


def _file(value: Any, folder: Path, index: int) -> Any:
    """Return what to open: a path beside the examples, or bytes."""
    if isinstance(value, bytes):
        return io.BytesIO(value)
    if not isinstance(value, str | Path):
        raise RowError(index, f"a path is text, not {_shown(value)}")
    return folder / value


def _shown(value: Any) -> str:
    return "of these bytes" if isinstance(value, bytes) else f"'{value}'"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
