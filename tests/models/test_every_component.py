"""Every component is built and proven: those that no spec of specs/ has, in one spec of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.test_images import VOLUMES
from tests.models.test_reordered import SPEC as REORDERED

from stackc.components import REGISTRY
from stackc.frontend import check_source, check_spec
from stackc.pipeline import Options, build
from stackc.spec.source import Source

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"
SPEC = """\
stackc: 1
name: others
dims:
  batch: {max: 4}
  height: {min: 8, max: 32, multiple_of: 8}
  width: {min: 8, max: 32, multiple_of: 8}
  length: {min: 4, max: 40}
inputs:
  image: {shape: [batch, 6, height, width]}
  wave: {shape: [batch, 6, length]}
  clip: {shape: [batch, 2, 3, height, width]}
  words: {shape: [batch, length, 6]}
  mask: {shape: [batch, length], dtype: int64, values: [0, 1]}
graph: |
  wave --> conv[conv1d] --> loudest[global_max_pool]
  wave --> same[conv1d] --> mean_of_all[global_avg_pool]
  wave --> split[unflatten] --> even[conv2d] --> window[max_pool2d] --> slopes[prelu]
  wave --> last[slice] --> leaky[leaky_relu] --> smooth[elu]
  wave --> one[select] --> probabilities[softmax]
  wave --> grouped[group_norm] --> scaled[instance_norm] --> swish[silu]
  image --> larger[conv_transpose2d] --> average[avg_pool2d]
  image --> blocky[upsample] --> flat[flatten] --> turned[transpose]
  image --> bilinear[upsample] --> last_axis[permute] --> gate[glu] --> swiglu[mlp]
  image --> oblong[conv2d] --> strips[max_pool2d] --> tall[upsample] --> over_all[layer_norm] --> rows[reshape]
  rows --> unit_rows[l2_normalize]
  image --> patches[patch_embed] --> halved[scale] --> biased[attention]
  halved --> positions[relative_position_bias] -->|bias| biased
  patches --> products[matmul]
  halved -->|other| products
  patches & halved --> dot
  patches & halved --> cosine_similarity
  patches & halved --> product[mul]
  patches & halved --> middle[mean]
  patches & halved --> mix[weighted_sum]
  patches --> experts[gated_sum]
  patches & halved -->|branch| experts
  patches --> routes[linear] --> chosen[top_k_mask] -->|mask| sparse[routed_sum]
  routes --> sparse
  patches & halved & biased -->|branch| sparse
  patches --> width[dynamic_tanh] --> deep[stochastic_depth]
  clip --> volume[conv3d] --> flat_volume[flatten] --> brightest[reduce_max] --> one_more[unsqueeze]
  one_more --> none_more[squeeze]
  wave --> earlier[conv1d] --> peaks[max_pool1d] --> spread[conv_transpose1d] --> even_out[avg_pool1d]
  even_out --> mirrored[pad] --> framed[pad] --> parted[split] --> least[reduce_min]
  parted -->|rest:| bent[mish] --> soft[softplus] --> root[sqrt] --> logarithm[log] --> mean_over[reduce_mean]
  image --> up_to[max_pool2d] --> six[relu6] --> hard[hardswish] --> quick[quick_gelu]
  larger --> shuffled[pixel_shuffle] --> parts[adaptive_avg_pool2d]
  image --> edges[pad] --> grown[exp] --> squared[pow] --> bounded[clamp] --> layer_scale[learned_scale]
  layer_scale --> total[reduce_sum]
  words --> lanes[unflatten] --> by_head[permute] --> spun[rotary] --> mixed[scaled_dot_product_attention]
  spun -->|key| mixed
  by_head -->|value| mixed
  words --> until[causal_mask] -->|mask| mixed
  mask -->|mask| until
  words --> kept[max_pool] --> warm[learned_scale] --> odds[log_softmax]
  mask -->|mask| kept
  words --> size_of[abs] --> above[maximum] --> share[div]
  words --> above
  size_of -->|other| share
  words & share --> below[minimum] --> differs[sub]
  share -->|other| differs
  words --> positive[greater] --> gates[cast] --> gated_words[mul]
  words --> gated_words
  words --> winner[argmax] --> hot[one_hot] --> counts[cumsum]
  words --> loser[argmin] --> same_place[equal] --> not_same[logical_not]
  winner -->|other| same_place
  mask --> shown[not_equal] --> both[logical_and] --> either[logical_or] --> one_of[logical_xor]
  not_same --> both
  mask --> either & one_of
  one_of --> column[unsqueeze]
  words --> picked[where]
  column -->|condition| picked
  shift[constant] -->|other| picked
  words --> count_up[positions] --> up_to_three[less_equal]
  count_up --> early[less] --> early_row[unsqueeze]
  count_up --> late[greater_equal] --> late_row[unsqueeze]
  up_to_three --> rows_of[unsqueeze] --> window_of[logical_or]
  early_row & late_row --> window_of
  image --> grid[coordinates] --> sine[sin] --> cosine[cos] --> warmed[clamp] --> decades[log10]
nodes:
  routes:    {out: 3}
  chosen:    {k: 2}
  deep:      {p: 0.25}
  positive:  {value: 0.1}
  hot:       {classes: 6}
  counts:    {axis: 1}
  shown:     {value: 0}
  column:    {axis: -1}
  shift:     {value: [0.5, 1, 1.5, 2, 2.5, -3]}
  up_to_three: {value: 3}
  early:     {value: 2}
  late:      {value: 5}
  early_row: {axis: 0}
  late_row:  {axis: 0}
  rows_of:   {axis: 0}
  grid:      {align_corners: false}
  warmed:    {min: 0.1}
  volume:    {out: 4, kernel: [2, 3, 3], padding: [0, 1, 1]}
  flat_volume: {start: 3}
  brightest: {axis: [2, -1], keepdim: true}
  one_more:  {axis: 1}
  none_more: {axis: -1}
  lanes:     {axis: 2, size: 2}
  by_head:   {order: [0, 2, 1, 3]}
  earlier:   {out: 4, kernel: 3, padding: causal, dilation: 2}
  peaks:     {kernel: 3, stride: 2, ceil_mode: true}
  spread:    {out: 6, kernel: 4, stride: 2, padding: 1}
  even_out:  {kernel: 2, stride: 1}
  mirrored:  {before: 1, after: 2, mode: reflect}
  framed:    {axis: [1, 2], before: [1, 0], after: 1, value: 0.5}
  parted:    {axis: 1, size: 3}
  least:     {axis: 1}
  mean_over: {axis: [1, 2]}
  up_to:     {kernel: 3, stride: 2, ceil_mode: true}
  bounded:   {min: 0.2, max: 6}
  shuffled:  {factor: 2}
  parts:     {size: [4, 2]}
  squared:   {exponent: 2}
  edges:     {axis: [2, 3], before: 1, after: [0, 2], mode: replicate}
  layer_scale: {axis: 1, initial: 0.1}
  total:     {axis: [2, 3]}
  warm:      {per: all, initial: 14.3, exponential: true}
  conv:      {out: 4, kernel: 3, stride: 2, padding: 1}
  same:      {out: 4, kernel: 3, padding: same, dilation: 2, groups: 2}
  split:     {axis: 1, size: 2}
  even:      {out: 4, kernel: 2, stride: 2, padding: 1}
  window:    {kernel: 2, stride: 1, padding: 1}
  slopes:    {per_channel: true}
  last:      {axis: 2, start: -3, size: 2}
  one:       {axis: 2, index: -1}
  grouped:   {groups: 3, axis: 1}
  scaled:    {axis: 1}
  larger:    {out: 4, kernel: 3, stride: 2, padding: 1, output_padding: 1}
  average:   {kernel: 3, stride: 2, padding: 1}
  blocky:    {scale: 3}
  flat:      {start: 2}
  bilinear:  {scale: 2, mode: bilinear}
  oblong:    {out: 4, kernel: [3, 1], stride: [2, 1], padding: [1, 0]}
  strips:    {kernel: [1, 2]}
  tall:      {scale: [3, 1]}
  over_all:  {axis: [1]}
  rows:      {shape: [0, 2, 2, -1]}
  unit_rows: {axis: [1, 2]}
  last_axis: {order: [0, 2, 3, 1]}
  swiglu:    {hidden: 12, gated: true, activation: silu}
  patches:   {patch: 4, dim: 8}
  halved:      {factor: 0.5}
  biased:    {heads: 2, causal: true, scale: 1}
  positions: {heads: 2, bidirectional: false}
  products:  {transposed: true}
outputs:
  [loudest, mean_of_all, slopes, smooth, probabilities, swish, average, turned, swiglu, unit_rows, biased, products,
   dot, cosine_similarity, product, middle, mix, experts, sparse, deep, none_more, least, mean_over, quick, parts,
   total, odds, differs, gated_words, counts, picked, window_of, decades, mixed]
"""

FUNCTIONS = """
stackc: 1
dims: {batch: {max: 4}}
inputs:
  x: {shape: [batch, 9]}
  share: {shape: [batch, 9], min: 0.05, max: 0.95}
  image: {shape: [batch, 6, 5, 4]}
graph: |
  x --> selu & celu & softsign & log_sigmoid & hardsigmoid & hardshrink & softshrink & threshold & erf & atan & asinh
  share --> tan & asin & acos & sinh & atanh
  share --> cosh --> acosh
  x --> larger[scale]
  larger --> floor & ceil & round & sign
  image --> local[local_response_norm]
nodes:
  larger: {factor: 3}
  local: {size: 3, alpha: 0.5}
outputs:
  [selu, celu, softsign, log_sigmoid, hardsigmoid, hardshrink, softshrink, threshold, erf, atan, asinh, tan, asin, acos,
   sinh, atanh, acosh, local, floor, ceil, round, sign]
"""


@pytest.mark.parametrize("opset", [18, 23])
def test_functions_of_one_number(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "functions.yaml"
    path.write_text(FUNCTIONS, encoding="utf-8")
    built = build(path, Options(out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures


@pytest.mark.parametrize("opset", [18, 23])
def test_components_that_no_spec_has(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "others.yaml"
    path.write_text(SPEC, encoding="utf-8")
    built = build(path, Options(out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures

    # test_listener.py, test_log_mel.py and test_images.py have models of these
    elsewhere = {
        "lstm",
        "gru",
        "rnn",
        "gru_cell",
        "lstm_cell",
        "frame",
        "stft",
        "mel_filter_bank",
        "resize",
        "normalize",
        "non_max_suppression",
    }
    elsewhere |= {f"adaptive_{kind}_pool{rank}d" for kind in ("avg", "max") for rank in (1, 2)}
    used = elsewhere | {type(call.component).op for call in built.checked.program.calls}
    for text in (REORDERED, FUNCTIONS, VOLUMES):
        used |= {call.component.op for call in check_source(Source("others.yaml", text)).program.calls}
    for spec in SPECS.iterdir():
        used |= {type(call.component).op for call in check_spec(spec).program.calls}
    assert {op for op, component in REGISTRY.items() if not component.is_for_training} <= used
