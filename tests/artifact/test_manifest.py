"""manifest.json: a reviewed text, the way back from it, and the errors of a broken one."""

import dataclasses
import hashlib
import json

import pytest

from stackc.artifact.manifest import Manifest, ManifestError, parse_manifest, write_manifest
from stackc.core.types import Dim, DimRange
from stackc.core.value_range import ValueRange
from stackc.runtime import ValueInfo

MANIFEST = Manifest(
    name="seed",
    versions={"torch": "2.14.1", "onnx": "1.23.2"},
    spec={"x.yaml": "ab" * 32},
    weights=None,
    dims={"seq": DimRange(2, None, 4), "batch": DimRange(1, 64)},
    inputs=(
        ValueInfo("x", "float32", ("batch", "seq", 128)),
        ValueInfo("ids", "int64", ("batch",), ValueRange.ids(500)),
        ValueInfo("mask", "int64", (), ValueRange(0, 1, (0, 1))),
    ),
    outputs=(ValueInfo("和", "float32", (None, 128)),),
    opset=23,
    target="portable",
    runs_on="onnxruntime >= 1.18",
    provider="cpu",
    reason="asked for",
    seed=7,
    parity={"passed": True, "ratio": 1.1},
    tolerances={"和": 2.5e-06},
    files={"model.onnx": "cd" * 32},
    assumptions={"ids": "none"},
    asserted=({"name": "accuracy", "min": 0.95, "max": None, "measured": 0.97, "note": "on 100 examples of test.npz"},),
)

UNSEALED = """{
  "asserted": [
    {
      "max": null,
      "measured": 0.97,
      "min": 0.95,
      "name": "accuracy",
      "note": "on 100 examples of test.npz"
    }
  ],
  "assumptions": {
    "ids": "none"
  },
  "code": {},
  "digest": "",
  "dims": {
    "batch": {
      "max": 64,
      "min": 1,
      "multiple_of": 1
    },
    "seq": {
      "max": null,
      "min": 2,
      "multiple_of": 4
    }
  },
  "files": {
    "model.onnx": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
  },
  "format": 1,
  "inputs": [
    {
      "dtype": "float32",
      "name": "x",
      "shape": [
        "batch",
        "seq",
        128
      ]
    },
    {
      "below": 500,
      "dtype": "int64",
      "name": "ids",
      "shape": [
        "batch"
      ]
    },
    {
      "dtype": "int64",
      "name": "mask",
      "shape": [],
      "values": [
        0,
        1
      ]
    }
  ],
  "name": "seed",
  "opset": 23,
  "outputs": [
    {
      "dtype": "float32",
      "name": "和",
      "shape": [
        null,
        128
      ]
    }
  ],
  "parity": {
    "passed": true,
    "ratio": 1.1
  },
  "precision": {
    "format": "float32"
  },
  "privacy": {},
  "provider": "cpu",
  "reason": "asked for",
  "runs_on": "onnxruntime >= 1.18",
  "seed": 7,
  "spec": {
    "x.yaml": "abababababababababababababababababababababababababababababababab"
  },
  "target": "portable",
  "tolerances": {
    "和": 2.5e-06
  },
  "versions": {
    "onnx": "1.23.2",
    "torch": "2.14.1"
  },
  "weights": null
}
"""
TEXT = UNSEALED.replace('"digest": ""', f'"digest": "{hashlib.sha256(UNSEALED.encode()).hexdigest()}"')


def test_the_text_is_this_one() -> None:
    assert write_manifest(MANIFEST) == TEXT


def test_the_text_leads_back() -> None:
    assert parse_manifest(TEXT) == MANIFEST
    ids = ValueInfo("ids", "int64", ("batch",), ValueRange.ids(Dim.symbol("seq")))
    below_a_dim = dataclasses.replace(MANIFEST, inputs=(MANIFEST.inputs[0], ids))
    assert parse_manifest(write_manifest(below_a_dim)) == below_a_dim
    weighted = dataclasses.replace(MANIFEST, weights={"x.npz": "ef" * 32}, parity=None, files={})
    assert parse_manifest(write_manifest(weighted)) == weighted


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"opset": 23', '"opset": "23"', "opset must be a whole number"),
        ('"opset": 23', '"opset": true', "opset must be a whole number"),
        ('"multiple_of": 4', '"multiple_of": 0', "dims.seq.multiple_of must be at least 1"),
        ('"min": 2', '"min": "two"', "dims.seq.min must be a whole number"),
        ('"max": 64', '"max": 6.4', "dims.batch.max must be a whole number"),
        ('"name": "x"', '"label": "x"', "inputs[0].name must be text"),
        ("        128\n      ]\n    },", "[]]},", "inputs[0].shape[2] must be"),
        ('"below": 500', '"below": "500"', "inputs[1].below must be a whole number or the size of an axis"),
        ('"below": 500', '"below": 5.5', "inputs[1].below must be a whole number"),
        ('"values": [\n        0,', '"values": [\n        "0",', "inputs[2].values[0] must be a whole number"),
        ('"provider": "cpu"', '"provider": 1', "provider must be text"),
        ('"format": 1', '"format": 2', "it has format 2, and this version of stackc reads 1: update stackc"),
    ],
)
def test_error_names_the_place(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ManifestError) as raised:
        parse_manifest(TEXT.replace(old, new))
    assert str(raised.value).startswith(message)


def test_error_any_character_that_has_changed() -> None:
    for place in range(len(TEXT)):
        other = " " if TEXT[place] != " " else "\t"
        with pytest.raises(ManifestError):
            parse_manifest(TEXT[:place] + other + TEXT[place + 1 :])
    with pytest.raises(ManifestError, match=r"^it has changed since it was written$"):
        parse_manifest(TEXT.replace("asked for", "it was asked for"))


@pytest.mark.parametrize("text", ["", "{", "not json", TEXT[:-40], "[" * 100_000])
def test_error_not_json(text: str) -> None:
    with pytest.raises(ManifestError, match=r"^it is not JSON: "):
        parse_manifest(text)


@pytest.mark.parametrize("tree", [[], None, 1, "text"])
def test_error_not_an_object(tree: object) -> None:
    with pytest.raises(ManifestError, match=r"^the whole file must be an object$"):
        parse_manifest(json.dumps(tree))
