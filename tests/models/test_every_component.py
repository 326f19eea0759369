"""Every component is built and proven: those that no spec of specs/ has, in one spec of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.components import REGISTRY
from stackc.frontend import check_spec
from stackc.pipeline import Options, build

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
  patches --> sparse[gated_sum]
  patches & halved & biased -->|branch| sparse
  clip --> volume[conv3d] --> flat_volume[flatten] --> brightest[reduce_max] --> one_more[unsqueeze]
  one_more --> none_more[squeeze]
  wave --> earlier[conv1d] --> peaks[max_pool1d] --> spread[conv_transpose1d] --> even_out[avg_pool1d]
  even_out --> mirrored[pad] --> framed[pad] --> parted[split] --> least[reduce_min]
  parted -->|rest:| bent[mish] --> soft[softplus] --> root[sqrt] --> logarithm[log] --> mean_over[reduce_mean]
  image --> up_to[max_pool2d] --> six[relu6] --> hard[hardswish]
  larger --> shuffled[pixel_shuffle] --> parts[adaptive_avg_pool2d]
  image --> edges[pad] --> grown[exp] --> squared[pow] --> bounded[clamp] --> layer_scale[learned_scale]
  layer_scale --> total[reduce_sum]
  words --> kept[max_pool] --> warm[learned_scale] --> odds[log_softmax]
  mask -->|mask| kept
  words --> size_of[abs] --> above[maximum] --> share[div]
  words --> above
  size_of -->|other| share
  words & share --> below[minimum] --> differs[sub]
  share -->|other| differs
nodes:
  sparse:    {top_k: 2}
  volume:    {out: 4, kernel: [2, 3, 3], padding: [0, 1, 1]}
  flat_volume: {start: 3}
  brightest: {axis: [2, -1], keepdim: true}
  one_more:  {axis: 1}
  none_more: {axis: -1}
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
   dot, cosine_similarity, product, middle, mix, experts, sparse, none_more, least, mean_over, hard, parts, total, odds,
   differs]
"""


@pytest.mark.parametrize("opset", [18, 23])
def test_components_that_no_spec_has(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "others.yaml"
    path.write_text(SPEC, encoding="utf-8")
    built = build(path, Options(out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures

    # tests/models/test_listener.py has a model of these
    used = {"lstm", "gru", "rnn"} | {type(call.component).op for call in built.checked.program.calls}
    for spec in SPECS.iterdir():
        used |= {type(call.component).op for call in check_spec(spec).program.calls}
    assert REGISTRY.keys() <= used
