"""Images, waveforms, texts, tokens and a Dataset of one's own: against Pillow, soundfile, tokenizers and torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from tests.training.data.reading import complaint, only_batch, opened
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from torch.nn.utils.rnn import pad_sequence

from stackc.core.diagnostics import SpecError

RANDOM = np.random.default_rng(0)
TEXTS = ["the cat sat", "a dog", "the dog sat on the cat and the mat"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKC_CACHE", str(tmp_path / "cache"))


def write_lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_image(path: Path, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RANDOM.integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


# -- images


@pytest.mark.parametrize(
    ("shape", "axes"), [("3, 5, 7", (2, 0, 1)), ("3, height, width", (2, 0, 1)), ("5, 7, 3", (0, 1, 2))]
)
def test_images_of_paths_are_those_of_pillow(tmp_path: Path, shape: str, axes: tuple[int, ...]) -> None:
    images = [write_image(tmp_path / "pictures" / f"{number}.png", 5, 7, 3) for number in range(3)]
    path = write_lines(tmp_path / "rows.jsonl", *({"file": f"pictures/{number}.png"} for number in range(3)))
    inputs = f"{{x: {{shape: [batch, {shape}], min: 0, max: 1}}}}"
    batch = only_batch(opened(path, inputs, "{batch: 4, columns: {x: {from: file, decode: image}}}"))
    expected = np.stack([image.transpose(axes) for image in images]).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(batch.feeds["x"], expected)


def test_gray_images_in_bytes(tmp_path: Path) -> None:
    image = write_image(tmp_path / "a.png", 4, 6)
    path = write_lines(tmp_path / "rows.jsonl", {"picture": {"file": "a.png", "side": "left"}})
    data = "{batch: 4, columns: {x: {from: picture.file, decode: image}}}"
    batch = only_batch(opened(path, "{x: {dtype: uint8, shape: [batch, 4, 6]}}", data))
    np.testing.assert_array_equal(batch.feeds["x"][0], image)


def test_a_folder_of_images_is_its_classes(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    images = {name: write_image(folder / name / "1.png", 8, 8, 3) for name in ("dog", "cat")}
    write_image(folder / "dog" / "2.png", 6, 4, 3)
    inputs = "{x: {shape: [batch, 3, 8, 8]}, label: {dtype: int64, shape: [batch], below: 2}}"
    data = "{batch: 4, columns: {x: {from: image, decode: image, resize: true}}}"
    batch = only_batch(opened(folder, inputs, data))
    np.testing.assert_array_equal(batch.feeds["label"], [0, 1, 1])
    pixels = (batch.feeds["x"] * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(pixels[:2], [images["cat"], images["dog"]])
    with Image.open(folder / "dog" / "2.png") as image:
        resized = np.asarray(image.resize((8, 8), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(pixels[2], resized)

    message, hint = complaint(opened(folder, inputs, "{batch: 4, columns: {x: image}}"))
    assert message == "L202 pictures, row 2: the image 'dog/2.png' is 4×6, not 8×8 pixels"
    assert "resize: true" in (hint or "")


def test_classes_of_a_folder_keep_their_numbers(tmp_path: Path) -> None:
    """A folder that lacks a class would number the others in another way."""
    folder = tmp_path / "pictures"
    for name in ("cat", "dog"):
        write_image(folder / name / "1.png", 8, 8, 3)
    inputs = "{x: {shape: [batch, 3, 8, 8]}, label: {dtype: int64, shape: [batch], below: 3}}"
    with pytest.raises(SpecError, match="has 2 classes, but 'label' is below 3"):
        opened(folder, inputs, "{batch: 4, columns: {x: image}}")
    data = "{batch: 4, columns: {x: image, label: {classes: [ant, cat, dog]}}}"
    np.testing.assert_array_equal(only_batch(opened(folder, inputs, data)).feeds["label"], [1, 2])
    with pytest.raises(SpecError, match="has a folder 'dog', which is none of the classes"):
        opened(folder, inputs, data.replace("dog", "emu"))


def test_error_an_image_that_is_broken(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    path = write_lines(tmp_path / "rows.jsonl", {"x": "a.png"}, {"x": "none.png"})
    data = "{batch: 4, columns: {x: {decode: image}}}"
    examples = opened(path, "{x: {shape: [batch, 3, 8, 8]}}", data)
    assert complaint(examples)[0].startswith("L202 rows.jsonl, row 0: cannot read the image 'a.png': ")
    with pytest.raises(SpecError, match=r"row 1: cannot read the image 'none.png': No such file"):
        examples.batch(np.array([1]))


# -- waveforms


def test_waveforms_are_those_of_soundfile(tmp_path: Path) -> None:
    waves = [RANDOM.uniform(-0.5, 0.5, length).astype(np.float32) for length in (3, 6, 2)]
    for number, wave in enumerate(waves):
        soundfile.write(tmp_path / f"{number}.wav", wave, 8000, subtype="FLOAT")
    path = write_lines(tmp_path / "rows.jsonl", *({"x": f"{number}.wav"} for number in range(3)))
    inputs = "{x: {shape: [batch, seq]}, n: {dtype: int64, shape: [batch]}}"
    data = "{batch: 4, columns: {x: {decode: audio, sample_rate: 8000, pad: 0, lengths: n}}}"
    batch = only_batch(opened(path, inputs, data))
    expected = pad_sequence([torch.from_numpy(wave) for wave in waves], batch_first=True)
    np.testing.assert_array_equal(batch.feeds["x"], expected.numpy())
    np.testing.assert_array_equal(batch.feeds["n"], [3, 6, 2])

    message, hint = complaint(opened(path, inputs, data.replace("8000", "16000")))
    assert message == "L202 rows.jsonl, row 0: the waveform '0.wav' has 8,000 samples a second, not 16,000"
    assert "ffmpeg" in (hint or "")


# -- texts and tokens


def write_tokenizer(path: Path, *, longest: int | None = None) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordLevelTrainer(special_tokens=special))
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    pair = "[CLS] $A [SEP] $B:1 [SEP]:1"
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", pair, ends)
    if longest:
        tokenizer.enable_truncation(longest)
    tokenizer.save(str(path))
    tokenizer.no_truncation()
    return tokenizer


IDS = (
    "{x: {dtype: int64, shape: [batch, seq], below: 50}, m: {dtype: int64, shape: [batch, seq]}, "
    "t: {dtype: int64, shape: [batch, seq]}}"
)


def test_texts_are_ids_of_tokenizers(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json")
    path = write_lines(tmp_path / "rows.jsonl", *({"text": text} for text in TEXTS))
    data = (
        "{batch: 4, columns: {x: {from: text, tokenizer: tokenizer.json, pad: 0, truncate: true, mask: m, types: t}}}"
    )
    batch = only_batch(opened(path, IDS, data))
    tokenizer.enable_padding(pad_id=0)
    tokenizer.enable_truncation(6)
    encodings = tokenizer.encode_batch(TEXTS)
    np.testing.assert_array_equal(batch.feeds["x"], [each.ids for each in encodings])
    np.testing.assert_array_equal(batch.feeds["m"], [each.attention_mask for each in encodings])
    assert batch.feeds["x"][2, -1] == 3, "a text that is cut keeps its last special token"


def test_pairs_of_texts_have_types(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json")
    path = write_lines(tmp_path / "rows.jsonl", {"a": "the", "b": "cat"}, {"a": "a dog", "b": "sat"})
    data = "{batch: 4, columns: {x: {from: [a, b], tokenizer: tokenizer.json, pad: 0, mask: m, types: t}}}"
    batch = only_batch(opened(path, IDS, data.replace("pad: 0", "pad: 0, truncate: true")))
    tokenizer.enable_padding(pad_id=0)
    tokenizer.enable_truncation(6)
    encodings = tokenizer.encode_batch([("the", "cat"), ("a dog", "sat")])
    np.testing.assert_array_equal(batch.feeds["x"], [each.ids for each in encodings])
    np.testing.assert_array_equal(batch.feeds["t"], [each.type_ids for each in encodings])


def test_a_tokenizer_cuts_nothing_that_the_spec_does_not_cut(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer.json", longest=4)
    path = write_lines(tmp_path / "rows.jsonl", *({"text": text} for text in TEXTS))
    data = "{batch: 4, columns: {x: {from: text, tokenizer: tokenizer.json, pad: 0, mask: m, types: t}}}"
    message, _ = complaint(opened(path, IDS, data))
    assert message == "L202 rows.jsonl, row 2: dim 'seq' must be at most 6, but is 11 at axis 1 of input 'x'"
    with pytest.raises(SpecError, match="cannot read the tokenizer"):
        opened(path, IDS, data.replace("tokenizer.json", "rows.jsonl"))


def test_tokens_are_windows_and_those_one_further(tmp_path: Path) -> None:
    tokens = RANDOM.integers(0, 50, 20).astype(np.uint16)
    np.save(tmp_path / "tokens.npy", tokens)
    inputs = "{x: {dtype: int64, shape: [batch, seq]}, t: {dtype: int64, shape: [batch, seq]}}"
    data = "{batch: 4, window: 5, columns: {x: tokens, t: next}}"
    batch = only_batch(opened(tmp_path / "tokens.npy", inputs, data))
    np.testing.assert_array_equal(batch.feeds["x"], tokens[:15].reshape(3, 5))
    np.testing.assert_array_equal(batch.feeds["t"], tokens[1:16].reshape(3, 5))
    for window, message in (("", "how many tokens make an example"), ("window: 20, ", "too few for an example of 20")):
        with pytest.raises(SpecError, match=message):
            opened(tmp_path / "tokens.npy", inputs, data.replace("window: 5, ", window))


# -- a Dataset of one's own

OWN = """
import numpy as np, torch
from torch.utils.data import Dataset

class Squares(Dataset):
    def __len__(self):
        return 5
    def __getitem__(self, index):
        if index == 4:
            raise ValueError("four")
        return {"x": torch.full((2,), float(index**2)), "label": index}

class Tuples(Squares):
    def __getitem__(self, index):
        return index, index

class Noise(Squares):
    def __getitem__(self, index):
        return {"x": torch.randn(2), "label": index}
"""
OWN_INPUTS = "{x: {shape: [batch, 2]}, label: {dtype: int64, shape: [batch]}}"


def test_a_dataset_of_ones_own_runs_if_it_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "own_squares.py").write_text(OWN, encoding="utf-8")
    path = tmp_path / "own_squares:Squares"
    with pytest.raises(SpecError, match="N316") as caught:
        opened(path, OWN_INPUTS, "{batch: 2}")
    assert caught.value.diagnostics[0].hint == "`--trust own_squares` lets it run"

    examples = opened(path, OWN_INPUTS, "{batch: 2, workers: 3}", trust=("own_squares",))
    batch = next(examples.batches(2, np.array([3, 1])))
    np.testing.assert_array_equal(batch.feeds["x"], [[9, 9], [1, 1]])
    np.testing.assert_array_equal(batch.feeds["label"], [3, 1])
    message, _ = complaint(examples)
    assert message == (
        "L202 own_squares:Squares, row 4: own_squares:Squares fails: ValueError: four (own_squares.py, line 10)"
    )

    for name, wrong in (("Tuples", "returns a tuple, not a mapping"), ("Circles", "own_squares has no 'Circles'")):
        with pytest.raises(SpecError, match=wrong):
            opened(tmp_path / f"own_squares:{name}", OWN_INPUTS, "{batch: 2}", trust=("own_squares",))


def test_random_numbers_of_a_dataset_are_drawn_in_order(tmp_path: Path) -> None:
    """Once for each row, by the main thread, so that a run which is resumed draws what it would have drawn."""
    (tmp_path / "own_noise.py").write_text(OWN, encoding="utf-8")
    data = "{batch: 2, workers: 2}"
    examples = opened(tmp_path / "own_noise:Noise", OWN_INPUTS, data, trust=("own_noise",))
    torch.manual_seed(3)
    drawn = [batch.feeds["x"] for batch in examples.batches(2)]
    torch.manual_seed(3)
    np.testing.assert_array_equal(np.concatenate(drawn), torch.stack([torch.randn(2) for _ in range(5)]).numpy())
