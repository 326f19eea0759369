"""A hundred typos and slips, each planted in a spec of the project: each is reported on its own line, once or twice.

A row has a spec, the right text, the wrong text instead, and the code of the error. The error must be on the line where
the change begins, or on the line that contains the fifth column. Where a contract is at fault, a note shows its line.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source

SPECS = Path(__file__).parents[1] / "specs"

Mistake = tuple[str, str, str, str] | tuple[str, str, str, str, str]

KEYS: list[Mistake] = [
    ("bert_base.yaml", "stackc: 1\n", "stack: 1\n", "S004"),
    ("bert_base.yaml", "stackc: 1\n", "stackc: 2\n", "S007"),
    ("bert_base.yaml", "dims: {batch", "dim: {batch", "S004"),
    ("bert_base.yaml", "params: {vocab: 30522", "param: {vocab: 30522", "S004"),
    ("bert_base.yaml", "inputs:\n", "input:\n", "S004"),
    ("bert_base.yaml", "graph: |\n  input_ids", "grahp: |\n  input_ids", "S004"),
    ("gpt2.yaml", "nodes:\n  wte", "node:\n  wte", "S004"),
    ("gpt2.yaml", "blocks:\n", "bloks:\n", "S004"),
    ("gpt2.yaml", "outputs: {logits", "output: {logits", "S004"),
    ("gpt2.yaml", "weights:\n", "wieghts:\n", "S004"),
    ("gpt2.yaml", "  map:  ", "  maps:  ", "S004"),
    ("gpt2.yaml", "seq: {min: 1, max", "seq: {min: 1, maximum", "S004"),
    ("minilm.yaml", "{dtype: int64, shape: [batch, seq], below: vocab}",
     "{type: int64, shape: [batch, seq], below: vocab}", "S004"),
    ("minilm.yaml", "shape: [batch, seq], values", "shapes: [batch, seq], values", "S004"),
    ("minilm.yaml", "    inputs: [x, mask]", "    input: [x, mask]", "S004"),
    ("seed.mmd", "inputs:\n  x", "imputs:\n  x", "S004"),
    ("two_tower.yaml", "dim: 64, hidden: 256, t", "dim: 64, dim: 64, hidden: 256, t", "S002"),
    ("two_tower.yaml", "  user_table:    {vocab: users, dim: dim}\n",
     "  user_table:    {vocab: users, dim: dim}\n" * 2, "S002"),
    ("two_tower.yaml", "outputs: {scores: scores, u", "outputs: {user_vector: scores, u", "S002", "outputs:"),
    ("minilm.yaml", "inputs: [x, mask]", "inputs: [x, x]", "S002"),
]  # fmt: skip

WRITING: list[Mistake] = [
    ("bert_base.yaml", "dims: {batch: {min: 1, max: 64},", "dims: {batch: {min: 1, max: 64,", "S001", "params:"),
    ("bert_base.yaml", "params: {vocab: 30522", "params: vocab: 30522", "S001"),
    ("bert_base.yaml", "  pooler:   {out: dim}", "  pooler:   {out: dim", "S001", "blocks:"),
    ("bert_base.yaml", "  drop:     {p: dropout}", "   drop:     {p: dropout}", "S001"),
    ("bert_base.yaml", "  norm:     {eps: eps}", " norm:     {eps: eps}", "S001"),
    ("bert_base.yaml", "  attention_mask: {dtype", "\tattention_mask: {dtype", "S001"),
    ("bert_base.yaml", "name: bert_base\n", "name bert_base\n", "S001"),
    ("bert_base.yaml", "name: bert_base\n", "name: \"bert_base\n", "S001"),
    ("bert_base.yaml", "name: bert_base\n", "name: bert base\n", "S008"),
    ("bert_base.yaml", "name: bert_base\n", "name: @bert\n", "S001"),
    ("t5.yaml", "  ignore: [\"*.embed", "  ignore: [*.embed", "S001"),
    ("detr.yaml", "\"min(2, 1 + index)\"", "min(2, 1 + index)", "S001"),
    ("gpt2.yaml", "graph: |\n  input_ids", "graph: >\n  input_ids", "S005"),
    ("seed.mmd", "---\ngraph LR", "graph LR", "S010", "---"),
    ("seed.mmd", "graph LR", "grahp LR", "S101"),
    ("seed.mmd", "graph LR", "graph XY", "S101"),
    ("seed.mmd", "graph LR\n", "", "S101", "A[Transformer"),
    ("seed.mmd", "graph LR", "stateDiagram-v2", "S101"),
    ("seed.mmd", "A[Transformer模型]", "A[Transformer模型", "S104"),
    ("seed.mmd", "B{叠加组件}", "B{叠加组件]", "S104"),
    ("seed.mmd", "B{叠加组件}", "B {叠加组件}", "S102"),
    ("seed.mmd", "A[Transformer模型]", "A[Transformer (模型)]", "S104"),
    ("seed.mmd", "C --> F", "C -> F", "S102"),
    ("seed.mmd", "D --> F", "D -->", "S105"),
    ("seed.mmd", "A[Trans", "--> A[Trans", "S105"),
    ("seed.mmd", "C --> F", "C --- F", "S107"),
    ("seed.mmd", "C --> F", "C <--> F", "S107"),
    ("seed.mmd", "C --> F", "C F", "S102"),
    ("seed.mmd", "D --> F", "D --> F[Other]", "S108"),
    ("seed.mmd", "    C --> F\n", "    subgraph one\n    C --> F\n", "S109"),
    ("seed.mmd", "    C --> F\n", "    C --> F\n    end\n", "S109"),
    ("minilm.yaml", "  mask -->|mask| attn", "  mask -->|mask attn", "S111"),
    ("minilm.yaml", "      mask -->|mask| attn", "      mask -|mask|-> attn", "S102"),
    ("minilm.yaml", "attn[attention] --> add1[add]", "attn[attention --> add1[add]", "S104"),
    ("minilm.yaml", "embed --> norm[layer_norm] --> encoder", "embed --> norm[layer_norm] ==> encoder -> x", "S102"),
    ("unet.yaml", "bottom --> dec4[up]", "bottom → dec4[up]", "S102"),
]  # fmt: skip

NAMES: list[Mistake] = [
    ("bert_base.yaml", "word[embedding]", "word[embeding]", "N301"),
    ("bert_base.yaml", "norm1 --> mlp -->", "norm1 --> mpl -->", "N301"),
    ("bert_base.yaml", "{of: layer, repeat: layers}", "{of: layers, repeat: layers}", "N301"),
    ("seed.mmd", "B: {op: identity}", "B: {op: identiy}", "N301"),
    ("seed.mmd", "norm: layer_norm}", "norm: layernorm}", "N301", "F: {op"),
    ("bert_base.yaml", "  attention_mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}\n", "", "N301",
     "attention_mask -->"),
    ("bert_base.yaml", "  pooler:   {out", "  poler:   {out", "N302"),
    ("bert_base.yaml", "      mlp:   {hidden", "      mpl:   {hidden", "N302"),
    ("seed.mmd", "to: A}", "to: a}", "N302"),
    ("gpt2.yaml", "attention_mask -->|mask| h", "h -->|mask| attention_mask", "N302"),
    ("bert_base.yaml", "attention_mask -->|mask| encoder", "attention_mask -->|msk| encoder", "N303"),
    ("t5.yaml", "context -->|context| cross", "context -->|contxt| cross", "N303"),
    ("unet.yaml", "enc4 -->|skip| dec4", "enc4 -->|skipp| dec4", "N303"),
    ("t5.yaml", "{same_as: shared}", "{same_as: shard}", "N304"),
    ("bert_base.yaml", "      x --> add1\n", "      norm2 --> add1\n", "N305"),
    ("gpt2.yaml", "  input_ids --> wpe[learned_position] --> embed\n",
     "  input_ids --> wpe[learned_position] --> embed\n  lm_head --> embed\n", "N305"),
    ("bert_base.yaml", "      x --> add1\n", "      x --> norm1\n", "N306"),
    ("seed.mmd", ", merge: sum}", "}", "N306", "D --> F"),
    ("minilm.yaml", "attention_mask -->|mask| pool", "attention_mask --> pool", "N306"),
    ("unet.yaml", "  enc4 -->|skip| dec4 -->", "  dec4 -->", "N307", "bottom --> dec4[up]"),
    ("t5.yaml", "      context -->|context| cross\n", "", "N308", "inputs: [x, mask, bias, context"),
    ("detr.yaml", "  encoder -->|memory| decoder\n", "", "N307", "decoder[stack]"),
    ("two_tower.yaml", "  item_tower -->|other| similarity\n", "", "N307", "similarity[matmul]"),
    ("bert_base.yaml", "  token_type_ids --> segment[embedding] --> embed\n", "", "N308", "token_type_ids: {"),
    ("bert_base.yaml", "pooler_output: pooled}", "pooler_output: pooler}", "N308", "pooled[tanh]"),
    ("bert_base.yaml", "      mask -->|mask| attn\n", "", "N308", "inputs: [x, mask]"),
    ("bert_base.yaml", "{p: dropout}\n  encoder", "{rate: 0.1}\n  encoder", "N309"),
    ("gpt2.yaml", "repeat: layers}", "repaet: layers}", "N309"),
    ("gpt2.yaml", "bias: false, tie", "bais: false, tie", "N309"),
    ("unet.yaml", "head:   {out: classes, kernel: 1}", "head:   {out: classes, kernels: 1}", "N309"),
    ("gpt2.yaml", "  wpe:     {max: positions, dim: dim}", "  wpe:     {max: positions}", "T201"),
    ("minilm.yaml", "  position: {max: 512, dim: dim}\n", "", "N311", "position[learned_position]"),
    ("stacked.yaml", "{of: linear, repeat", "{repeat", "N311"),
    ("unet.yaml", "  dec4:   {width: 8*width0}", "  dec4:   {widht: 8*width0}", "N312"),
    ("ensemble.yaml", "with: {heads: heads}", "with: {head: heads}", "N312"),
    ("two_tower.yaml", "item_vector: item_tower}", "item_vector: item_towre}", "N313"),
    ("deep_bert.yaml", "first: deep.0,", "first: deep.3,", "N313"),
    ("deep_bert.yaml", "inner: deep.1.encoder.0.attn", "inner: deep.1.encoder.0.attention", "N313"),
    ("gpt2.yaml", "outputs: {logits: lm_head}", "outputs: {logits: }", "S005"),
    ("deep_bert.yaml", "nodes: {encoder: {of: layer, repeat: layers}}",
     "nodes: {encoder: {of: bert, repeat: layers}}", "N315"),
    ("minilm.yaml", "word[embedding]", "type[embedding]", "S008"),
    ("minilm.yaml", "pool[mean_pool]", "end[mean_pool]", "S008"),
    ("deep_bert.yaml", "  bert:\n", "  linear:\n", "S008"),
]  # fmt: skip

VALUES: list[Mistake] = [
    ("bert_base.yaml", "dims: {batch: {min: 1, max: 64}", "dims: {batch: {min: 65, max: 64}", "S006"),
    ("bert_base.yaml", "dims: {batch: {min: 1,", "dims: {batch: {min: -1,", "S005"),
    ("bert_base.yaml", "dims: {batch: {min: 1,", "dims: {batch: {min: one,", "X002"),
    ("bert_base.yaml", "input_ids:      {dtype: int64", "input_ids:      {dtype: int46", "S005"),
    ("bert_base.yaml", "input_ids:      {dtype: int64, ", "input_ids:      {", "S005"),
    ("bert_base.yaml", "shape: [batch, seq], values", "shape: [batch, sqe], values", "T201", "mask -->|mask| attn"),
    ("bert_base.yaml", "values: [0, 1]", "values: [0, one]", "X002"),
    ("bert_base.yaml", "{p: dropout}\n  encoder", "{p: 1.5}\n  encoder", "N310"),
    ("bert_base.yaml", "{p: dropout}\n  encoder", "{p: none}\n  encoder", "X002"),
    ("bert_base.yaml", 'activation: "${activation}"}', "activation: gleu}", "N310"),
    ("gpt2.yaml", "causal: true", "causal: yes", "N310"),
    ("llama.yaml", "rotary: halves", "rotary: halfs", "N310"),
    ("gpt2.yaml", "bias: false", "bias: 3", "N310"),
    ("stacked.yaml", "repeat: num_layers", "repeat: 0", "N310"),
    ("stacked.yaml", "repeat: num_layers", "repeat: 2.5", "N310"),
    ("ensemble.yaml", "mode: sum", "mode: som", "N310"),
    ("seed.mmd", "merge: sum", "merge: some", "N310"),
    ("ensemble.yaml", "reparam: {weight: standardize}", "reparam: {weight: standardise}", "N310"),
    ("unet.yaml", "padding: same, bias: false}\n      conv2", "padding: smae, bias: false}\n      conv2", "N310"),
    ("unet.yaml", "pool1:  {kernel: 2}", "pool1:  {kernel: 0}", "N310"),
    ("gpt2.yaml", "${4*dim}", "${4*dmi}", "X002"),
    ("gpt2.yaml", "${4*dim}", "${4**}", "X001"),
    ("two_tower.yaml", "factor: 1 / temperature", "factor: 1 / 0", "X003"),
    ("two_tower.yaml", "dim: dim // 4", "dim: dim / 7", "N310"),
    ("t5.yaml", "dim**-0.5", "sqrt(dim)", "X001"),
    ("seed.mmd", "${norm}", "${nrom}", "X002"),
]  # fmt: skip

SHAPES: list[Mistake] = [
    ("bert_base.yaml", "heads: 12,", "heads: 10,", "T202", "attn:  {heads"),
    ("detr.yaml", "heads: 8,", "heads: 7,", "T202", "attn:  {heads: heads, dropout: dropout}"),
    ("seed.mmd", "heads: 4,", "heads: 3,", "T202", "attn: {heads"),
    ("bert_base.yaml", "segment:  {vocab: types, dim: dim}", "segment:  {vocab: types, dim: dim - 1}", "T201",
     "embed[add]"),
    ("seed.mmd", "E: {op: linear, out: dim}", "E: {op: linear, out: dim + 1}", "T201", "E --> F"),
    ("minilm.yaml", "{max: 512, dim: dim}", "{max: 512, dim: 2*dim}", "T201", "embed[add]"),
    ("unet.yaml", "multiple_of: 16}, width", "multiple_of: 8}, width", "T201", "skip --> joined"),
    ("unet.yaml", "      joined: {axis: 1}", "      joined: {axis: 4}", "T201"),
    ("two_tower.yaml", "item_tower:    {hidden: hidden, out: dim}", "item_tower:    {hidden: hidden, out: dim + 1}",
     "T201", "item_tower -->|other|"),
    ("two_tower.yaml", "similarity:    {transposed: true}", "similarity:    {transposed: false}", "T201", "similarity"),
    ("minilm.yaml", "input_ids --> word[embedding]", "input_ids --> word[linear]", "N309", "word:"),
    ("two_tower.yaml", "user --> user_table[embedding] --> profile[concat]", "user --> profile[concat]", "N302",
     "user_table:"),
    ("normalized.yaml", "shape: [batch, hidden_size]", "dtype: int64, shape: [batch, hidden_size]", "T203",
     "x --> linear"),
    ("minilm.yaml", "max: 512}}", "max: 1024}}", "T205", "position[learned_position]"),
    ("bert_base.yaml", "max: positions}", "max: 600}", "T205", "position[learned_position]"),
    ("gpt2.yaml", "seq: {min: 1, max: positions}", "seq: {min: 1}", "T205", "wpe[learned_position]"),
    ("bert_base.yaml", "dims: {batch: {min: 1,", "dims: {batch: {min: 0,", "T213", "position[learned_position]"),
    ("bert_base.yaml", "below: types}", "below: vocab}", "T206"),
    ("minilm.yaml", "segment:  {vocab: 2,", "segment:  {vocab: 1,", "T206", "token_type_ids:"),
    ("gpt2.yaml", "tie: {weight: wte.weight", "tie: {weight: wte.wieght", "T207"),
    ("gpt2.yaml", "tie: {weight: wte.weight", "tie: {bias: wte.weight", "T207"),
    ("gpt2.yaml", "lm_head: {out: vocab,", "lm_head: {out: vocab + 1,", "T207"),
    ("t5.yaml", "dropout: dropout, causal: true}", "dropout: dropout, causal: true, head_dim: 0}", "S002"),
    ("seed.mmd", "F: {op: \"${norm}\", axis: -1", "F: {op: \"${norm}\", axis: 5", "T201"),
    ("unet.yaml", "      norm1: {axis: 1}\n", "", "T204", "norm1[batch_norm]"),
    ("ensemble.yaml", "heads // 2", "3", "T202"),
    ("ensemble.yaml", "embed --> encoders", "embed --> conv[conv2d] --> encoders", "N311"),
]  # fmt: skip

MISTAKES = [*KEYS, *WRITING, *NAMES, *VALUES, *SHAPES]


def diagnostics_of(name: str, text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(SpecError) as caught:
        check_source(Source(name, text))
    return caught.value.diagnostics


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake[0]}-{mistake[2].strip()[:40]}")
def test_a_mistake_is_reported_on_its_own_line(mistake: Mistake) -> None:
    name, right, wrong, code, *expected_line = mistake
    original = (SPECS / name).read_text(encoding="utf-8")
    assert right in original, "the spec has changed: update the planted mistake"
    text = original.replace(right, wrong, 1)
    lines = text.split("\n")
    changed_line = lines[original[: original.index(right)].count("\n") + _leading_same_lines(right, wrong)]

    diagnostics = diagnostics_of(name, text)
    blamed = [(d.code, lines[d.span.line - 1]) for d in diagnostics if d.span]
    candidates = [line for blamed_code, line in blamed if blamed_code == code]
    assert any(expected_line[0] in line if expected_line else line == changed_line for line in candidates), blamed
    assert len(diagnostics) <= 2, [str(d) for d in diagnostics]
    assert diagnostics[0].code == code, [str(d) for d in diagnostics]


@pytest.mark.parametrize(
    "mistake",
    [mistake for mistake in MISTAKES if mistake[3] in ("T205", "T213")],
    ids=lambda mistake: f"{mistake[0]}-{mistake[2].strip()[:40]}",
)
def test_a_size_that_a_component_cannot_take_shows_the_line_of_the_contract(mistake: Mistake) -> None:
    name, right, wrong, *_ = mistake
    text = (SPECS / name).read_text(encoding="utf-8").replace(right, wrong, 1)
    (line,) = [number for number, line in enumerate(text.split("\n"), start=1) if line.startswith("dims:")]
    (diagnostic,) = diagnostics_of(name, text)
    assert line in [note.span.line for note in diagnostic.notes if note.message.startswith("the contract of")]


def _leading_same_lines(right: str, wrong: str) -> int:
    """Return how many lines at the beginning of a change stay the same."""
    before, after = right.split("\n"), wrong.split("\n")
    same = [a == b for a, b in zip(before, after, strict=False)]
    return same.index(False) if False in same else len(same) - 1


def test_there_are_a_hundred_of_all_kinds() -> None:
    assert len(set(MISTAKES)) >= 100
    assert len({mistake[3] for mistake in MISTAKES}) >= 40
    assert len({mistake[0] for mistake in MISTAKES} & {path.name for path in SPECS.iterdir()}) >= 12
