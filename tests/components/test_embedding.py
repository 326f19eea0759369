"""Embeddings of ids and positions, as BERT adds them up."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from stackc.components.base import Limit, Misfit
from stackc.components.embedding import Embedding, LearnedPosition
from stackc.components.merge import Add
from stackc.types import Dim, TensorType, shape

Refused = Callable[..., Misfit]

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
IDS = TensorType("int64", shape(BATCH, SEQ))


def test_bert_embeddings_equal_those_of_transformers() -> None:
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertEmbeddings

    torch.manual_seed(0)
    config = BertConfig(vocab_size=50, hidden_size=16, max_position_embeddings=12, type_vocab_size=2)
    bert: Any = BertEmbeddings(config).eval()  # type: ignore[no-untyped-call]  # theirs is untyped
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
    misfit = refused(Embedding(vocab=5, dim=4), TensorType("float32", shape(BATCH, SEQ)))
    assert misfit.message == "needs whole numbers, int64 or int32, and gets float32[batch, seq]"
    assert (misfit.code, misfit.port) == ("T203", "x")


def test_error_positions_without_dim(refused: Refused) -> None:
    misfit = refused(LearnedPosition(max=12), IDS)
    assert misfit.message == "dim is needed, since int64[batch, seq] has no features to take it from"
    assert misfit.field == "dim"


@pytest.mark.parametrize("sizes", [(BATCH,), (BATCH, SEQ, 3, 4)])
def test_error_positions_of_other_layouts(refused: Refused, sizes: tuple[Dim | int, ...]) -> None:
    x = TensorType("float32", shape(*sizes))
    assert refused(LearnedPosition(max=12), x).message == (
        f"needs [batch, seq] or [batch, seq, features], and gets {x}"
    )
