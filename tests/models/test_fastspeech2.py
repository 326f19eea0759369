"""specs/fastspeech2.yaml on padded sentences against plain PyTorch that reads each sentence alone, without any mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.hub.harness import draw_parameters
from torch import Tensor, nn

from stackc.artifact.folder import run_artifact
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build, lower_with_weights

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "fastspeech2.yaml"
VOCAB, DIM, HEADS, HIDDEN, MELS, KERNEL, WIDTH, PREDICTOR_KERNEL, EMBEDDING_KERNEL = 11, 12, 3, 20, 5, 7, 9, 3, 5
SMALL = {
    "vocab": str(VOCAB), "mels": str(MELS), "dim": str(DIM), "encoder_layers": "2", "decoder_layers": "1",
    "heads": str(HEADS), "hidden": str(HIDDEN), "kernel": str(KERNEL), "predictor_width": str(WIDTH),
    "predictor_kernel": str(PREDICTOR_KERNEL), "embedding_kernel": str(EMBEDDING_KERNEL),
}  # fmt: skip


def along_sequence(conv: nn.Conv1d, x: Tensor) -> Tensor:
    """Apply a convolution of channels to [batch, length, features]."""
    y: Tensor = conv(x.transpose(1, 2))
    return y.transpose(1, 2)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(DIM, DIM) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(2, (HEADS, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        shares = (q @ k.transpose(2, 3) / (DIM // HEADS) ** 0.5).softmax(-1)
        y: Tensor = self.out((shares @ v).transpose(1, 2).flatten(2))
        return y


class FFTBlock(nn.Module):
    """A feed-forward transformer block, whose feed-forward network is convolutional."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = Attention()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.conv1 = nn.Conv1d(DIM, HIDDEN, KERNEL, padding=KERNEL // 2)
        self.conv2 = nn.Conv1d(HIDDEN, DIM, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attn(x))
        hidden = along_sequence(self.conv1, x).relu()
        y: Tensor = self.norm2(x + along_sequence(self.conv2, hidden))
        return y


class Transformer(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.stack = nn.Sequential(*(FFTBlock() for _ in range(layers)))

    def forward(self, x: Tensor) -> Tensor:
        angles = torch.arange(x.shape[1])[:, None] / 10000 ** (torch.arange(0, DIM, 2, dtype=x.dtype) / DIM)
        waves = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
        y: Tensor = self.stack(x + waves)
        return y


class PredictorLayer(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(features, WIDTH, PREDICTOR_KERNEL, padding=PREDICTOR_KERNEL // 2)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(along_sequence(self.conv, x).relu())
        return y


class Predictor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(PredictorLayer(DIM), PredictorLayer(WIDTH))
        self.out = nn.Linear(WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.out(self.layers(x))
        return y.squeeze(2)


class NumberEmbedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, DIM, EMBEDDING_KERNEL, padding=EMBEDDING_KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        return along_sequence(self.conv, x.unsqueeze(2))


class FastSpeech2(nn.Module):
    """The model with the names of the spec."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCAB, DIM)
        self.encoder, self.decoder = Transformer(2), Transformer(1)
        self.log_durations, self.pitch, self.energy = Predictor(), Predictor(), Predictor()
        self.pitch_embed, self.energy_embed = NumberEmbedding(), NumberEmbedding()
        self.mel = nn.Linear(DIM, MELS)

    def forward(self, phonemes: Tensor, durations: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One sentence, [tokens] each → mel [frames, mels], log durations, pitch and energy [tokens]."""
        encoded = self.encoder(self.embed(phonemes[None]))
        log_durations, pitch, energy = self.log_durations(encoded), self.pitch(encoded), self.energy(encoded)
        adapted = encoded + self.pitch_embed(pitch) + self.energy_embed(energy)
        mel = self.mel(self.decoder(adapted.repeat_interleave(durations, 1)))
        return mel[0], log_durations[0], pitch[0], energy[0]


def sentences() -> dict[str, Tensor]:
    """Return three padded sentences, of which one has phonemes that are not heard at all."""
    lengths = torch.tensor([7, 4, 1])
    phonemes = torch.randint(VOCAB, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(7) < lengths[:, None]).long()
    durations = torch.tensor([[2, 1, 3, 1, 4, 2, 1], [3, 0, 5, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0]])
    frame_mask = (torch.arange(int(durations.sum(1).max())) < durations.sum(1, keepdim=True)).long()
    return {"phonemes": phonemes, "mask": mask, "durations": durations, "frame_mask": frame_mask}


@pytest.fixture(scope="module")
def model() -> FastSpeech2:
    """A small model with every parameter drawn, rounded to float32, that computes in float64."""
    model = FastSpeech2().eval()
    draw_parameters(model)
    return model.double()


@pytest.fixture(scope="module")
def weights(model: FastSpeech2, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fastspeech2") / "fastspeech2.safetensors"
    save_file({name: x.float() for name, x in model.state_dict().items()}, path)
    return path


def hold_to(model: FastSpeech2, outputs: list[Tensor], feeds: dict[str, Tensor], tolerance: float) -> None:
    """Hold each sentence of a padded batch to the sentence read alone."""
    for i, durations in enumerate(feeds["durations"]):
        tokens = int(feeds["mask"][i].sum())
        with torch.no_grad():
            expected = model(feeds["phonemes"][i, :tokens], durations[:tokens])
        for output, value in zip(outputs, expected, strict=True):
            ours = output[i, : len(value)].double()
            torch.testing.assert_close(ours, value, rtol=0, atol=tolerance * float(value.abs().max()))


def test_every_sentence_is_that_of_plain_pytorch(model: FastSpeech2, weights: Path) -> None:
    checked = check_spec(SPEC, Overrides(SMALL))
    assert checked.cost.parameters == sum(p.numel() for p in model.parameters())
    module = lower_with_weights(checked, weights, 0).double().eval()
    feeds = sentences()
    with torch.no_grad():
        hold_to(model, [*module(*feeds.values())], feeds, 1e-9)


def test_the_file_speaks_the_same(model: FastSpeech2, weights: Path, tmp_path: Path) -> None:
    built = build(SPEC, Options(Overrides(SMALL), weights, tmp_path, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
    feeds = sentences()
    outputs = run_artifact(built.folder, {name: x.numpy() for name, x in feeds.items()}, "cpu")
    hold_to(model, [torch.from_numpy(np.asarray(y)) for y in outputs.values()], feeds, 1e-4)
