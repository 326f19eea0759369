"""Figures as people draw them: what `stackc init` writes is not sound until it is filled in, and then the right model.

Each is compared with the intended model, written by hand: equal components on equal values, whatever the names.
"""

from __future__ import annotations

import pytest

from stackc.authoring.scaffold import scaffold
from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, check_source
from stackc.spec.source import Source

INCEPTION = """\
flowchart BT
    prev["Previous layer"]
    prev --> a1["1x1 convolutions"]
    prev --> b1["1x1 convolutions"]
    prev --> c1["1x1 convolutions"]
    prev --> d1["3x3 max pooling"]
    b1 --> b3["3x3 convolutions"]
    c1 --> c5["5x5 convolutions"]
    d1 --> d2["1x1 convolutions"]
    a1 --> F["Filter concatenation"]
    b3 --> F
    c5 --> F
    d2 --> F
"""
SQUEEZE_EXCITE = """\
graph TD
    X["X: C × H × W"] --> R[Residual]
    R -->|H × W × C| GP[Global pooling]
    GP -->|1 × 1 × C| FC1[FC]
    FC1 -->|1 × 1 × C/r| ReLU[ReLU]
    ReLU --> FC2[FC]
    FC2 -->|1 × 1 × C| Sig[Sigmoid]
    Sig --> Scale((Scale))
    R --> Scale
    Scale --> Add((+))
    X --> Add
    Add --> Xt["X̃"]
"""
UNET = """\
flowchart TD
    subgraph Encoder
        I[input image tile] --> E1[conv 3x3, ReLU ×2, 64]
        E1 -->|max pool 2x2| E2[conv 3x3, ReLU ×2, 128]
        E2 -->|max pool 2x2| E3[conv 3x3, ReLU ×2, 256]
    end
    subgraph Decoder
        E3 -->|up-conv 2x2| D2[conv 3x3, ReLU ×2, 128]
        D2 -->|up-conv 2x2| D1[conv 3x3, ReLU ×2, 64]
        D1 --> O[conv 1x1]
    end
    E2 -.->|copy and crop| D2
    E1 -.->|copy and crop| D1
    O --> S[output segmentation map]
"""
RESNET = """\
graph TD
    x["x"] --> w1["3x3 conv, 64"]
    w1 --> bn1[BN] -->|relu| w2["3x3 conv, 64"]
    w2 --> bn2["Batch Norm"] --> add(("+"))
    x -->|identity| add
    add -->|relu| y["F(x) + x"]
"""
BOTTLENECK = """\
flowchart TD
    x -->|256-d| a["1x1, 64"] -->|relu| b["3x3, 64"] -->|relu| c["1x1, 256"] --> s((+)) -->|relu| y
    x -->|256-d| s
"""
TRANSFORMER = """\
flowchart BT
    src[Inputs] --> IE[Input Embedding]
    IE --> A1[Multi-Head Attention] --> N1["Add & Norm"]
    IE --> N1
    N1 --> F1[Feed Forward] --> N2["Add & Norm"]
    N1 --> N2
    tgt["Outputs (shifted right)"] --> OE[Output Embedding]
    OE --> A2[Masked Multi-Head Attention] --> N3["Add & Norm"]
    OE --> N3
    N3 -->|Q| A3[Multi-Head Attention]
    N2 -->|K, V| A3
    A3 --> N4["Add & Norm"]
    N3 --> N4
    N4 --> L[Linear] --> S[Softmax] --> O[Output Probabilities]
"""

DOUBLE = "{a}[conv2d] --> {a}r[relu] --> {b}[conv2d] --> {b}r[relu]"
TWINS = {
    "inception": (
        INCEPTION,
        {"channels: …": "channels: 192", "out: …": "out: 8"},
        """\
inputs: {x: {shape: [batch, 192, height, width]}}
graph: |
  x --> a[conv2d] --> f[concat]
  x --> b1[conv2d] --> b[conv2d] --> f
  x --> c1[conv2d] --> c[conv2d] --> f
  x --> p[max_pool2d] --> d[conv2d] --> f
nodes:
  a: {out: 8, kernel: 1}
  b1: {out: 8, kernel: 1}
  b: {out: 8, kernel: 3, padding: same}
  c1: {out: 8, kernel: 1}
  c: {out: 8, kernel: 5, padding: same}
  p: {kernel: 3, stride: 1, padding: 1}
  d: {out: 8, kernel: 1}
  f: {axis: 1}
""",
    ),
    "squeeze_excite": (
        SQUEEZE_EXCITE,
        {
            "C: …, r: …": "C: 16, r: 4",
            "R: {op: …": "R: {op: conv2d, out: 16, kernel: 3, padding: same",
            "GP: {op: …": "GP: {op: global_avg_pool",
        },
        """\
inputs: {x: {shape: [batch, 16, H, W]}}
graph: |
  x --> r[conv2d] --> g[global_avg_pool] --> a[linear] --> relu --> b[linear] --> s[sigmoid] --> e[reshape] --> m[mul]
  r --> m --> y[add]
  x --> y
nodes:
  r: {out: 16, kernel: 3, padding: same}
  a: {out: 4}
  b: {out: 16}
  e: {shape: [0, 0, 1, 1]}
""",
    ),
    "unet": (
        UNET,
        {
            "channels: …": "channels: 1",
            "padding: …": "padding: same",
            "E3_D2: {op: conv_transpose2d, out: …": "E3_D2: {op: conv_transpose2d, out: 128",
            "D2_D1: {op: conv_transpose2d, out: …": "D2_D1: {op: conv_transpose2d, out: 64",
            "O: {op: conv2d, out: …": "O: {op: conv2d, out: 2",
        },
        f"""\
dims: {{height: {{multiple_of: 4}}, width: {{multiple_of: 4}}}}
inputs: {{x: {{shape: [batch, 1, height, width]}}}}
graph: |
  x --> {DOUBLE.format(a="a", b="b")} --> p[max_pool2d]
  p --> {DOUBLE.format(a="c", b="d")} --> q[max_pool2d]
  q --> {DOUBLE.format(a="e", b="f")} --> u[conv_transpose2d] --> k[concat]
  dr --> k --> {DOUBLE.format(a="g", b="h")} --> v[conv_transpose2d] --> l[concat]
  br --> l --> {DOUBLE.format(a="i", b="j")} --> y[conv2d]
nodes:
  a: {{out: 64, kernel: 3, padding: same}}
  b: {{out: 64, kernel: 3, padding: same}}
  c: {{out: 128, kernel: 3, padding: same}}
  d: {{out: 128, kernel: 3, padding: same}}
  e: {{out: 256, kernel: 3, padding: same}}
  f: {{out: 256, kernel: 3, padding: same}}
  g: {{out: 128, kernel: 3, padding: same}}
  h: {{out: 128, kernel: 3, padding: same}}
  i: {{out: 64, kernel: 3, padding: same}}
  j: {{out: 64, kernel: 3, padding: same}}
  u: {{out: 128, kernel: 2, stride: 2}}
  v: {{out: 64, kernel: 2, stride: 2}}
  p: {{kernel: 2}}
  q: {{kernel: 2}}
  k: {{axis: 1}}
  l: {{axis: 1}}
  y: {{out: 2, kernel: 1}}
""",
    ),
    "resnet": (
        RESNET,
        {"channels: …": "channels: 64"},
        """\
inputs: {x: {shape: [batch, 64, height, width]}}
graph: |
  x --> a[conv2d] --> m[batch_norm] --> r[relu] --> b[conv2d] --> n[batch_norm] --> s[add] --> y[relu]
  x --> s
nodes:
  a: {out: 64, kernel: 3, padding: same}
  b: {out: 64, kernel: 3, padding: same}
  m: {axis: 1}
  n: {axis: 1}
""",
    ),
    "bottleneck": (
        BOTTLENECK,
        {},
        """\
inputs: {x: {shape: [batch, 256, height, width]}}
graph: |
  x --> a[conv2d] --> p[relu] --> b[conv2d] --> q[relu] --> c[conv2d] --> s[add] --> y[relu]
  x --> s
nodes:
  a: {out: 64, kernel: 1}
  b: {out: 64, kernel: 3, padding: same}
  c: {out: 256, kernel: 1}
""",
    ),
    "transformer": (
        TRANSFORMER,
        {
            "vocab: …, dim: …": "vocab: 9, dim: 32",
            "heads: …": "heads: 4",
            "hidden: …, activation: …": "hidden: 8, activation: relu",
            "out: …": "out: 9",
        },
        """\
inputs: {src: {dtype: int64, shape: [batch, seq]}, tgt: {dtype: int64, shape: [batch, seq]}}
graph: |
  src --> e[embedding] --> a[attention] --> m[layer_norm]
  e --> m --> f[mlp] --> n[layer_norm]
  m --> n
  tgt --> g[embedding] --> b[attention] --> o[layer_norm]
  g --> o --> c[attention]
  n -->|context| c --> p[layer_norm]
  o --> p --> l[linear] --> y[softmax]
nodes:
  e: {vocab: 9, dim: 32}
  g: {vocab: 9, dim: 32}
  a: {heads: 4}
  b: {heads: 4, causal: true}
  c: {heads: 4}
  f: {hidden: 8, activation: relu}
  m: {merge: sum}
  n: {merge: sum}
  o: {merge: sum}
  p: {merge: sum}
  l: {out: 9}
""",
    ),
}


def checked(text: str, file: str) -> Checked:
    return check_source(Source(file, text))


def expressions(model: Checked) -> set[str]:
    """Return the outputs of a model as expressions over its components, without names."""
    text: dict[str | None, str] = {None: "_"}
    for place, (name, type_) in enumerate(model.program.inputs.items()):
        text[name] = f"input{place}:{type_}"
    for call in model.program.calls:
        operands = [text[name] for name in call.inputs]
        operands = sorted(operands) if call.component.op in ("add", "mul") else operands
        while operands and operands[-1] == "_":
            operands.pop()
        whole = operands[0] if call.component.op == "identity" else f"{call.component!r}({', '.join(operands)})"
        text[call.outputs[0]] = whole
    return {text[value] for value in model.program.outputs.values()}


@pytest.mark.parametrize("name", TWINS)
def test_a_figure_is_sound_only_as_the_model_that_is_meant(name: str) -> None:
    figure, fills, twin = TWINS[name]
    text = scaffold(figure, f"{name}.mmd", name).text
    if fills:
        with pytest.raises(SpecError, match="still to fill in"):
            checked(text, f"{name}.mmd")

    for blank, value in fills.items():
        assert blank in text
        text = text.replace(blank, value)
    assert "…" not in text
    drawn, meant = checked(text, f"{name}.mmd"), checked(f"stackc: 1\nname: {name}\n{twin}", "twin.yaml")
    assert expressions(drawn) == expressions(meant)
    assert drawn.cost.parameters == meant.cost.parameters


def test_unpadded_convolutions_do_not_pass_for_the_padded_ones() -> None:
    """What is cropped has to be drawn then."""
    _, fills, _ = TWINS["unet"]
    text = scaffold(UNET, "unet.mmd", "unet").text
    for blank, value in {**fills, "padding: …": "padding: 0"}.items():
        text = text.replace(blank, value)
    with pytest.raises(SpecError, match="cannot concatenate"):
        checked(text.replace("multiple_of: 4", "multiple_of: 4, min: 64"), "unet.mmd")


@pytest.mark.parametrize(
    ("label", "line"),
    [
        ("dilated conv 3x3, 64", "{op: …}"),
        ("depthwise conv 3x3", "{op: …}"),
        ("conv 7x7, 64, /2", "{op: conv2d, out: 64, kernel: 7, stride: 2, padding: …}"),
        ("conv 3x3, 64", "{op: conv2d, out: 64, kernel: 3, padding: …}"),
        ("3x3 max pool, /2", "{op: max_pool2d, kernel: 3, stride: 2, padding: …}"),
        ("FC 1000", "{op: linear, out: 1000}"),
        ("Multi-Head Attention, 8 heads", "{op: attention, heads: 8}"),
        ("Residual", "{op: …}"),
        ("Add", "{op: …}"),
        ("Norm", "{op: …}"),
        ("Encoder ×6", "{op: stack, of: …, repeat: 6}"),
        ("softmax 1000", "{op: …}"),
    ],
)
def test_a_label_is_an_op_only_if_all_of_it_is_understood(label: str, line: str) -> None:
    text = scaffold(f'graph LR\n  x --> n["{label}"] --> z[tanh]\n', "a.mmd", "a").text
    assert f"\n  n: {line}\n" in text


@pytest.mark.parametrize("label", ["Scale", "Norm", "Multi-Head Attention", "Dropout"])
def test_two_arrows_are_never_added_unasked(label: str) -> None:
    """A node with two arrows is an op that takes both, or asks."""
    text = scaffold(f"graph LR\n  x --> a[tanh] --> n[{label}]\n  x --> n\n", "a.mmd", "a").text
    if label == "Scale":
        assert "\n  n: {op: mul}\n" in text
        return
    with pytest.raises(SpecError):
        checked(text.replace("heads: …", "heads: 4"), "a.mmd")


def test_a_subgraph_that_repeats_and_positions_without_a_source_are_asked_about() -> None:
    """Drawn once, the model is another one."""
    drawing = "graph LR\n  x --> e[tanh] --> s((+))\n  p[Positional Encoding] --> s\n"
    drawing += '  subgraph G ["N×"]\n    s --> f[gelu]\n  end\n'
    text = scaffold(drawing, "a.mmd", "a").text
    assert "\n  f: {op: …}\n" in text
    assert "draw `e --> p --> s` in the place of `e --> s`, with no other arrow from p\n" in text
    with pytest.raises(SpecError, match="no arrow enters the port 'x' of 'p'"):
        checked(text.replace("f: {op: …", "f: {op: gelu").replace("op: …", "op: sinusoidal_position"), "a.mmd")


def test_labels_that_several_arrows_share_stay() -> None:
    text = scaffold("graph LR\n  x --> a[tanh] & b[gelu] -->|max pool 2x2| c[add]\n", "a.mmd", "a").text
    assert "-->|max pool 2x2| c[add]" in text
    assert "the label 'max pool 2x2' from a names a port of c" in text
