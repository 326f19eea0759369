"""Padding, pooling and resizing of images of any size, proven in ONNX at both opsets."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: images
dims: {batch: {max: 3}, height: {max: 40}, width: {max: 40}, length: {max: 40}, rows: {max: 9}}
inputs:
  image: {shape: [batch, 3, height, width]}
  wave: {shape: [batch, 3, length]}
  other: {shape: [rows, 2]}
graph: |
  image --> same[conv2d]
  image --> strided[conv2d] --> twice[conv2d]
  image --> depthwise[conv2d]
  image --> uneven[conv2d]
  image --> wide[pad] --> mirrored[conv2d]
  image --> wide2[pad] --> around[conv2d]
  wide2 --> ring[conv2d]
  wave --> steps[conv1d]
  wave --> even[conv1d]
  image --> filled[pad]
  image --> filled_by_rows[pad]
  other -->|like| filled_by_rows
  wide2 --> circle[pad]
  wide --> ceil[avg_pool2d]
  wide --> ceil_counted[avg_pool2d]
  wide --> uncounted[avg_pool2d]
  wide --> flat[flatten] --> mean1[avg_pool1d]
  image --> means[adaptive_avg_pool2d]
  image --> maxima[adaptive_max_pool2d]
  wave --> means1[adaptive_avg_pool1d]
  wave --> maxima1[adaptive_max_pool1d]
  image --> kept[global_avg_pool]
  image --> kept_max[global_max_pool]
nodes:
  same:      {out: 4, kernel: 4, padding: same}
  strided:   {out: 4, kernel: 3, stride: 2, padding: same}
  twice:     {out: 4, kernel: [4, 5], stride: [2, 3], padding: same, bias: false}
  depthwise: {out: 3, kernel: 3, stride: 2, padding: same, groups: 3}
  uneven:    {out: 4, kernel: 3, stride: 2, padding: [0, 1, 2, 3]}
  wide:      {axis: [2, 3], before: 2, after: 2}
  mirrored:  {out: 4, kernel: 3, padding: [0, 1, 1, 2], padding_mode: reflect}
  wide2:     {axis: [2, 3], before: 1, after: 2, mode: replicate}
  around:    {out: 4, kernel: 3, padding: 1, padding_mode: circular}
  ring:      {out: 4, kernel: 3, padding: [2, 1, 0, 1], padding_mode: circular}
  steps:     {out: 4, kernel: 4, stride: 3, padding: same}
  even:      {out: 4, kernel: 2, dilation: 3, padding: same}
  filled:    {axis: [2, 3], before: 1, after: [(height + 7)//8*8 - height, (width + 7)//8*8 - width], value: 0.5}
  filled_by_rows: {axis: 2, before: rows, mode: replicate}
  circle:    {axis: [2, 3], before: [2, 0], after: [1, 3], mode: circular}
  ceil:      {kernel: 3, stride: 2, padding: 1, ceil_mode: true, count_include_pad: false}
  ceil_counted: {kernel: 3, stride: 2, padding: 1, ceil_mode: true}
  uncounted: {kernel: [3, 2], stride: 2, padding: 1, count_include_pad: false}
  flat:      {start: 2}
  mean1:     {kernel: 3, stride: 2, padding: 1, ceil_mode: true, count_include_pad: false}
  means:     {size: [5, 7]}
  maxima:    {size: [7, 4]}
  means1:    {size: 6}
  maxima1:   {size: 6}
  kept:      {keepdim: true}
  kept_max:  {keepdim: true}
outputs: [same, twice, depthwise, uneven, mirrored, around, ring, steps, even, filled, filled_by_rows, circle, ceil,
  ceil_counted, uncounted, mean1, means, maxima, means1, maxima1, kept, kept_max]
"""

VOLUMES = """\
stackc: 1
name: volumes
dims: {batch: {max: 3}, height: {min: 2, max: 13}, width: {min: 2, max: 13}, length: {max: 20}, rows: {max: 9}}
inputs:
  clip: {shape: [batch, 2, 5, height, width]}
  image: {shape: [batch, 3, height, width]}
  wave: {shape: [batch, 3, length]}
  grid: {shape: [batch, rows, 4, 2], min: -1.4, max: 1.4}
graph: |
  clip --> larger[conv_transpose3d] --> loudest[max_pool3d]
  clip --> average[avg_pool3d]
  clip --> ceiling[max_pool3d]
  clip --> same_clip[max_pool3d]
  image --> same[max_pool2d]
  image --> same_mean[avg_pool2d]
  image --> counted[avg_pool2d]
  wave --> same_wave[max_pool1d]
  wave --> mean_wave[avg_pool1d]
  image --> warped[grid_sample]
  image --> corners[grid_sample]
  image --> nearest[grid_sample]
  grid -->|grid| warped & corners & nearest
nodes:
  larger:    {out: 3, kernel: [2, 3, 3], stride: [1, 2, 2], padding: [0, 1, 1], output_padding: [0, 1, 0]}
  loudest:   {kernel: 2, stride: [1, 2, 1]}
  average:   {kernel: 2, padding: 1, count_include_pad: false}
  ceiling:   {kernel: [2, 2, 2], stride: [2, 1, 2], ceil_mode: true}
  same_clip: {kernel: 3, stride: 2, padding: same}
  same:      {kernel: [3, 2], stride: [2, 3], padding: same}
  same_mean: {kernel: 3, stride: 2, padding: same, count_include_pad: false}
  counted:   {kernel: [4, 3], stride: [3, 1], padding: same}
  same_wave: {kernel: 4, stride: 3, padding: same}
  mean_wave: {kernel: 2, stride: 3, padding: same, count_include_pad: false}
  corners:   {padding_mode: reflection, mode: bicubic, align_corners: true}
  nearest:   {mode: nearest, padding_mode: border}
outputs: [loudest, average, ceiling, same_clip, same, same_mean, counted, same_wave, mean_wave, warped, corners,
  nearest]
"""

RESIZED = """\
stackc: 1
name: resized
dims: {batch: {max: 3}, height: {max: 30}, width: {min: 2, max: 30}, length: {max: 30}, n: {max: 40}}
inputs:
  image: {shape: [batch, 3, height, width]}
  wave: {shape: [batch, 3, length]}
  other: {shape: [n, 2, length, n]}
  boxes: {shape: [batch, n, 4]}
  scores: {shape: [batch, 2, n]}
graph: |
  image --> prepared[resize] --> normal[normalize]
  image --> shrunk[resize]
  image --> cubic[resize]
  image --> corners[resize]
  other -->|like| corners
  image --> near[resize]
  other -->|like| near
  image --> exact[resize]
  other -->|like| exact
  image --> by_half[resize]
  image --> near_half[resize]
  wave --> line[resize]
  wave --> line2[resize]
  boxes --> kept[non_max_suppression]
  scores -->|scores| kept
  kept -->|boxes:| after[linear]
nodes:
  prepared:  {size: [9, 14], mode: bilinear}
  normal:    {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], scale: 1/255}
  shrunk:    {size: [height, width*2//3 + 1], mode: bicubic, antialias: true}
  cubic:     {size: [height*2, 1], mode: bicubic}
  corners:   {mode: bilinear, align_corners: true}
  near:      {}
  exact:     {mode: nearest-exact}
  by_half:   {scale: 1.5, mode: bilinear}
  near_half: {scale: [1.5, 2]}
  line:      {size: 2*length + 1, mode: linear}
  line2:     {scale: 2.25, mode: linear, align_corners: true}
  kept:      {max: 5, iou_threshold: 0.2, score_threshold: -0.5}
  after:     {out: 3}
outputs:
  normal: normal
  shrunk: shrunk
  cubic: cubic
  corners: corners
  near: near
  exact: exact
  by_half: by_half
  near_half: near_half
  line: line
  line2: line2
  kept_boxes: kept.boxes
  classes: kept.classes
  count: kept.count
  after: after
"""


@pytest.mark.parametrize("opset", [18, 23])
@pytest.mark.parametrize("spec", ["SPEC", "RESIZED", "VOLUMES"])
def test_sizes_that_only_the_run_knows(spec: str, opset: int, tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text({"SPEC": SPEC, "RESIZED": RESIZED, "VOLUMES": VOLUMES}[spec], encoding="utf-8")
    built = build(path, Options(out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures


FEW_BOXES = """\
stackc: 1
name: few_boxes
dims: {batch: {max: 3}}
inputs: {corners: {shape: [batch, 12, 4]}, probabilities: {shape: [batch, 2, 12]}}
graph: |
  corners --> kept[non_max_suppression]
  probabilities -->|scores| kept
nodes: {kept: {max: 8, iou_threshold: 0.2, score_threshold: -0.5}}
outputs: {boxes: kept.boxes, count: kept.count}
"""


def test_how_many_boxes_are_kept_is_known_to_the_run_alone(tmp_path: Path) -> None:
    """With all sizes fixed, too: other numbers of boxes overlap in each of the inputs of the proof."""
    path = tmp_path / "few_boxes.yaml"
    path.write_text(FEW_BOXES, encoding="utf-8")
    built = build(path, Options(out=tmp_path, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
