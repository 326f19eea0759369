"""Embeddings of ids and positions, as BERT adds them up."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from stackc.components.base import Component, Limit, SignatureError
from stackc.components.families.embedding import (
    Embedding,
    LearnedPosition,
    LearnedQuery,
    RelativePositionBias,
    SinusoidalPosition,
)
from stackc.components.families.merge import Add
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
IDS = TensorType("int64", shape(BATCH, SEQ))


def test_bert_embeddings_equal_those_of_transformers() -> None:
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertEmbeddings

    torch.manual_seed(0)
    config = BertConfig(vocab_size=50, hidden_size=16, max_position_embeddings=12, type_vocab_size=2)
    bert: Any = BertEmbeddings(config).eval()
    bert.LayerNorm = torch.nn.Identity()
    word, kind = Embedding(vocab=50, dim=16), Embedding(vocab=2, dim=16)
    position = LearnedPosition(max=12, dim=16)
    types = [word.signature(IDS).outputs[0], position.signature(IDS).outputs[0], kind.signature(IDS).outputs[0]]
    assert Add().signature(*types).outputs == (TensorType("float32", shape(BATCH, SEQ, 16)),)

    word_module, position_module, kind_module = (c.module(IDS) for c in (word, position, kind))
    word_module.load_state_dict(bert.word_embeddings.state_dict())
    position_module.load_state_dict(bert.position_embeddings.state_dict())
    kind_module.load_state_dict(bert.token_type_embeddings.state_dict())
    ids, kinds = torch.randint(50, (3, 7)), torch.randint(2, (3, 7))
    y = Add().module(*types)(word_module(ids), position_module(ids), kind_module(kinds))
    torch.testing.assert_close(y, bert(input_ids=ids, token_type_ids=kinds))


def test_positions_take_dim_and_element_type_from_vectors() -> None:
    signature = LearnedPosition(max=12).signature(TensorType("float64", shape(BATCH, SEQ, 16)))
    assert signature.outputs == (TensorType("float64", shape(1, SEQ, 16)),)
    assert signature.parameters == {"weight": TensorType("float64", shape(12, 16))}


def test_positions_limit_the_sequence() -> None:
    signature = LearnedPosition(max=12, dim=4).signature(IDS)
    assert signature.limits == (Limit(SEQ, "its table has 12 positions", maximum=12),)


def test_error_embedding_of_vectors(refused: Refused) -> None:
    error = refused(Embedding(vocab=5, dim=4), TensorType("float32", shape(BATCH, SEQ)))
    assert error.message == "expects integers (int64 or int32), got float32[batch, seq]"
    assert (error.code, error.port) == ("T203", "x")


def test_error_positions_without_dim(refused: Refused) -> None:
    error = refused(LearnedPosition(max=12), IDS)
    assert error.message == "dim is required, since int64[batch, seq] has no features to take it from"
    assert error.field == "dim"


@pytest.mark.parametrize("sizes", [(BATCH,), (BATCH, SEQ, 3, 4)])
def test_error_positions_of_other_layouts(refused: Refused, sizes: tuple[Dim | int, ...]) -> None:
    x = TensorType("float32", shape(*sizes))
    assert refused(LearnedPosition(max=12), x).message == (f"expects [batch, seq] or [batch, seq, features], got {x}")


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (8, 20), (64, 256), (10, 50)])
def test_relative_positions_fall_into_the_buckets_of_t5(buckets: int, max_distance: int, bidirectional: bool) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    component = RelativePositionBias(heads=1, buckets=buckets, max_distance=max_distance, bidirectional=bidirectional)
    x, context = (TensorType("float32", shape(1, size, 4)) for size in (40, 3 * max_distance))
    module = component.module(x, context)
    module.load_state_dict({"weight": torch.arange(float(buckets)).unsqueeze(1)})
    y = module(torch.zeros(1, 40, 4), torch.zeros(1, 3 * max_distance, 4))
    behind = torch.arange(3 * max_distance)[None] - torch.arange(40)[:, None]
    bucket_of: Any = T5Attention._relative_position_bucket
    expected = bucket_of(behind, bidirectional, buckets, max_distance)
    torch.testing.assert_close(y[0, 0].detach(), expected.float(), rtol=0, atol=0)


def test_sinusoidal_positions_are_those_of_the_paper() -> None:
    x = TensorType("float64", shape(2, 7, 6))
    y = SinusoidalPosition().module(x)(torch.zeros(2, 7, 6, dtype=torch.float64))
    expected = np.zeros((1, 7, 6))
    for i in range(7):
        for k in range(3):
            angle = i / 10000 ** (2 * k / 6)
            expected[0, i, 2 * k : 2 * k + 2] = math.sin(angle), math.cos(angle)
    np.testing.assert_allclose(y, expected, rtol=1e-14)


def test_sines_before_cosines_are_those_of_marian() -> None:
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    y = SinusoidalPosition(layout="halves").module(TensorType("float32", shape(2, 9, 6)))(torch.zeros(2, 9, 6))
    expected = MarianSinusoidalPositionalEmbedding(9, 6).create_weight()
    torch.testing.assert_close(y[0], expected, rtol=0, atol=1e-6)


def test_waves_of_an_image_go_by_row_and_by_column() -> None:
    x = torch.zeros(1, 8, 3, 5, dtype=torch.float64)
    y = SinusoidalPosition().module(TensorType("float64", shape(1, 8, 3, 5)))(x)
    rows = SinusoidalPosition().module(TensorType("float64", shape(1, 3, 4)))(x[:, :4, :, 0].transpose(1, 2))
    columns = SinusoidalPosition().module(TensorType("float64", shape(1, 5, 4)))(x[:, :4, 0].transpose(1, 2))
    torch.testing.assert_close(y[0, :4], rows[0].T[:, :, None].expand(-1, -1, 5))
    torch.testing.assert_close(y[0, 4:], columns[0].T[:, None].expand(-1, 3, -1))


@pytest.mark.parametrize("scale", [None, 3.0])
@pytest.mark.parametrize("masked", [False, True])
def test_normalized_waves_of_an_image_are_those_of_detr(scale: float | None, masked: bool) -> None:
    """Positions count from 1, and are normalized over what the mask leaves."""
    from transformers.models.detr.modeling_detr import DetrSinePositionEmbedding

    kept = torch.zeros(2, 5, 7, dtype=torch.int64)
    kept[0, :3, :6], kept[1, :, :4] = 1, 1
    x, mask = TensorType("float64", shape(2, 8, 5, 7)), TensorType("int64", shape(2, 5, 7))
    component = SinusoidalPosition(start=1.0, normalize=True, scale=scale)
    assert component.signature(x, mask if masked else None).outputs[0].shape == shape(2 if masked else 1, 8, 5, 7)

    inputs = (torch.zeros(2, 8, 5, 7, dtype=torch.float64), *((kept,) if masked else ()))
    y = component.module(x, mask if masked else None)(*inputs)
    theirs = DetrSinePositionEmbedding(4, normalize=True, scale=scale)
    expected = theirs((2, 8, 5, 7), "cpu", torch.float64, kept if masked else None)
    torch.testing.assert_close(y.expand(2, -1, -1, -1), expected, rtol=1e-12, atol=1e-12)


def test_positions_of_a_sequence_start_where_they_are_told_to_and_skip_what_is_masked() -> None:
    x, mask = TensorType("float64", shape(1, 5, 6)), TensorType("int64", shape(1, 5))
    zeros = torch.zeros(1, 5, 6, dtype=torch.float64)
    plain = SinusoidalPosition().module(x)(torch.zeros(1, 20, 6, dtype=torch.float64))
    torch.testing.assert_close(SinusoidalPosition(start=7.0).module(x)(zeros), plain[:, 7:12])
    y = SinusoidalPosition().module(x, mask)(zeros, torch.tensor([[1, 0, 1, 1, 0]]))
    torch.testing.assert_close(y, plain[:, [0, 0, 1, 2, 2]])


def test_error_mask_of_an_image_as_of_a_sequence(refused: Refused) -> None:
    error = refused(SinusoidalPosition(), TensorType("float32", shape(2, 8, 5, 7)), TensorType("int64", shape(2, 7)))
    assert (error.message, error.port) == ("expects a mask [2, 5, 7], got int64[2, 7]", "mask")


def test_learned_queries_are_the_same_for_every_sample() -> None:
    x = TensorType("float32", shape(Dim.symbol("batch"), 4))
    component = LearnedQuery(count=3, dim=5)
    assert str(component.signature(x).outputs[0]) == "float32[batch, 3, 5]"
    module = component.module(x)
    y = module(torch.zeros(2, 4))
    assert torch.equal(y[0], y[1])
    assert torch.equal(y[0], module.get_parameter("weight"))


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (SinusoidalPosition(dim=5), "dim 5 is not a multiple of 2: each frequency has a sine and a cosine"),
        (RelativePositionBias(heads=2, buckets=7), "buckets 7 must be even: half of them for each direction"),
        (
            RelativePositionBias(heads=2, max_distance=8),
            "max_distance 8 must be above 8: shorter distances have a bucket each",
        ),
    ],
)
def test_error_positions(refused: Refused, component: Component, message: str) -> None:
    assert refused(component, TensorType("float32", shape(2, 7, 6))).message == message
