"""Specs with few outputs, deep, ill-conditioned or cancelling: sound models on which a tolerance may be too tight.

`REPORTED` are those of the benchmark; constants of the rule were chosen on `TUNING`.
"""

from __future__ import annotations

VECTOR = "inputs: {x: {shape: [batch, 16]}}\n"
SEQUENCE = "inputs: {x: {shape: [batch, seq, 16]}}\n"
LAYER = """\
blocks:
  layer:
    inputs: [x]
    graph: |
      x --> attn[attention] --> add1[add] --> norm1[layer_norm] --> mlp --> add2[add] --> norm2[layer_norm]
      x --> add1
      norm1 --> add2
    nodes: {attn: {heads: 2}, mlp: {hidden: 32}}
"""


def _chain(*steps: str) -> str:
    """Return a drawing of numbered nodes after `x`, one after the other."""
    return " --> ".join(["x", *(f"n{number}[{step}]" for number, step in enumerate(steps))])


def _widths(count: int, step: str = "linear") -> str:
    return ", ".join(f"n{number}: {{out: 16}}" for number in range(0, count, 2 if step == "tanh" else 1))


REPORTED: dict[str, str] = {
    "scalar head": SEQUENCE
    + "graph: x --> encoder[stack] --> cls[cls_pool] --> pooler[linear] --> pooled[tanh] --> score[linear]\n"
    + "nodes: {encoder: {of: layer, repeat: 4}, pooler: {out: 16}, score: {out: 1}}\n"
    + LAYER,
    "classifier": SEQUENCE
    + "graph: x --> encoder[stack] --> pool[mean_pool] --> head[linear] --> y[softmax]\n"
    + "nodes: {encoder: {of: layer, repeat: 2}, head: {out: 2}}\n"
    + LAYER,
    "cosine": "inputs: {a: {shape: [batch, 16]}, b: {shape: [items, 16]}}\n"
    "graph: |\n  a --> la[linear] --> ua[l2_normalize] --> sim[matmul] --> y[scale]\n"
    "  b --> lb[linear] --> ub[l2_normalize] -->|other| sim\n"
    "nodes: {la: {out: 16}, lb: {out: 16}, sim: {transposed: true}, y: {factor: 20}}\n",
    "cosine_similarity": "inputs: {a: {shape: [batch, 16]}, b: {shape: [batch, 16]}}\n"
    "graph: |\n  a --> la[linear] --> y[cosine_similarity]\n  b --> lb[linear] --> y\n"
    "nodes: {la: {out: 16}, lb: {out: 16}}\n",
    "ratio": VECTOR + "graph: |\n  x --> a[linear] --> y[div]\n  x --> b[linear] -->|other| y\n"
    "nodes: {a: {out: 1}, b: {out: 1}}\n",
    "group_norm at one position": "inputs: {x: {shape: [batch, 4, h, w]}}\n"
    "graph: x --> c[conv2d] --> y[group_norm]\nnodes: {c: {out: 4, kernel: 1}, y: {groups: 2, axis: 1}}\n",
    "one-pass variance": VECTOR + "graph: |\n  x --> shift[scale] --> sq[mul]\n  shift --> sq\n"
    "  sq --> m2[reduce_mean] --> var[sub]\n  shift --> m[reduce_mean] --> mm[mul]\n  m --> mm\n"
    "  mm -->|other| var\nnodes: {shift: {factor: 1.0, offset: 30.0}}\n",
    "difference of neighbours": VECTOR + "graph: |\n  x --> a[linear] --> y[sub]\n  a --> b[scale] -->|other| y\n"
    "nodes: {a: {out: 1}, b: {factor: 1.001}}\n",
    "determinant": VECTOR + "graph: |\n  x --> a[linear] --> ad[mul]\n  x --> d[linear] --> ad\n"
    "  x --> b[linear] --> bc[mul]\n  x --> c[linear] --> bc\n  ad --> y[sub]\n  bc -->|other| y\n"
    "nodes: {a: {out: 1}, b: {out: 1}, c: {out: 1}, d: {out: 1}}\n",
    "deep tanh": VECTOR + f"graph: {_chain(*['linear', 'tanh'] * 12)} --> y[linear]\n"
    f"nodes: {{{_widths(24, 'tanh')}, y: {{out: 1}}}}\n",
    "deep linear": VECTOR
    + f"graph: {_chain(*['linear'] * 16)} --> y[linear]\nnodes: {{{_widths(16)}, y: {{out: 1}}}}\n",
    "deep normed": VECTOR + "graph: x --> s[stack] --> y[linear]\nnodes: {s: {of: b, repeat: 8}, y: {out: 1}}\n"
    "blocks: {b: {inputs: [x], graph: 'x --> m[mlp] --> a[add] --> n[rms_norm]; x --> a', nodes: {m: {hidden: 32}}}}\n",
    "lstm": SEQUENCE + "graph: x --> r[lstm] --> last[cls_pool] --> y[linear]\nnodes: {r: {hidden: 16}, y: {out: 1}}\n",
    "gru": SEQUENCE + "graph: x --> r[gru] --> p[mean_pool] --> y[linear]\nnodes: {r: {hidden: 16}, y: {out: 1}}\n",
    "image score": "inputs: {x: {shape: [batch, 3, h, w]}}\n"
    "graph: x --> c[conv2d] --> g[gelu] --> p[global_avg_pool] --> y[linear]\n"
    "nodes: {c: {out: 8, kernel: 1}, y: {out: 1}}\n",
    "log of sums": VECTOR + "graph: x --> a[linear] --> e[exp] --> s[reduce_sum] --> y[log]\n"
    "nodes: {a: {out: 16}, s: {keepdim: true}}\n",
    "log near one": VECTOR
    + "graph: x --> a[linear] --> s[softmax] --> m[reduce_max] --> y[log]\nnodes: {a: {out: 2}}\n",
    "norm of a norm": VECTOR + "graph: x --> a[layer_norm] --> b[layer_norm] --> y[reduce_sum]\n",
    "residual scores": SEQUENCE + "graph: |\n  x --> n[rms_norm] --> q[linear] --> y[dot]\n  n --> k[linear] --> y\n"
    "nodes: {q: {out: 16}, k: {out: 16}}\n",
    "gated scalar": VECTOR
    + "graph: |\n  x --> a[linear] --> s[sigmoid] --> y[mul]\n  x --> b[linear] --> t[tanh] --> y\n"
    "nodes: {a: {out: 1}, b: {out: 1}}\n",
}

TUNING: dict[str, str] = {
    "two towers": "inputs: {a: {shape: [batch, 8]}, b: {shape: [batch, 8]}}\n"
    "graph: |\n  a --> ma[mlp] --> ua[l2_normalize] --> y[dot]\n  b --> mb[mlp] --> ub[l2_normalize] --> y\n"
    "nodes: {ma: {hidden: 32}, mb: {hidden: 32}}\n",
    "share": "inputs: {x: {shape: [batch, 12]}}\n"
    "graph: |\n  x --> a[mlp] --> y[div]\n  a --> s[reduce_sum] -->|other| y\n"
    "nodes: {a: {hidden: 8, out: 3}, s: {keepdim: true}}\n",
    "deep gelu": "inputs: {x: {shape: [batch, 12]}}\ngraph: x --> s[stack] --> y[linear]\n"
    "nodes: {s: {of: m, repeat: 8}, y: {out: 1}}\n"
    "blocks: {m: {inputs: [x], graph: 'x --> m[mlp] --> n[layer_norm]', nodes: {m: {hidden: 24}}}}\n",
    "square of a mean": "inputs: {x: {shape: [batch, 12]}}\ngraph: |\n  x --> s[scale] --> m[reduce_mean] --> y[sub]\n"
    "  s --> e[select] -->|other| y\nnodes: {s: {factor: 0.01, offset: 50.0}, e: {index: 0}}\n",
    "reranker": "inputs: {x: {shape: [batch, seq, 24]}}\n"
    "graph: x --> encoder[stack] --> p[cls_pool] --> y[linear]\nnodes: {encoder: {of: layer, repeat: 3}, y: {out: 1}}\n"
    + LAYER,
}
