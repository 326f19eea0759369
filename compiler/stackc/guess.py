"""What a drawn node may be meant as, judged by its words and by how many arrows enter it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from stackc.components import REGISTRY
from stackc.components.base import Port
from stackc.spec.drawing import Drawn

# Parts of labels → the ops that people mean by them. A block of the user's own is meant by "block".
MEANT: Mapping[str, tuple[str, ...]] = {
    "transformer": ("block", "stack"),
    "encoder": ("block", "stack"),
    "decoder": ("block", "stack"),
    "block": ("block",),
    "model": ("block", "mlp", "linear", "attention"),
    "模型": ("block", "mlp", "linear", "attention"),
    "stack": ("stack", "add", "identity"),
    "叠加": ("add", "stack", "identity"),
    "堆叠": ("stack",),
    "norm": ("layer_norm", "rms_norm", "batch_norm", "instance_norm"),
    "归一化": ("layer_norm", "rms_norm", "batch_norm", "instance_norm"),
    "attention": ("attention",),
    "注意力": ("attention",),
    "dense": ("linear",),
    "full": ("linear",),
    "全连接": ("linear",),
    "线性": ("linear",),
    "feed": ("mlp",),
    "前馈": ("mlp",),
    "embed": ("embedding", "learned_position"),
    "嵌入": ("embedding",),
    "position": ("learned_position",),
    "位置": ("learned_position",),
    "conv": ("conv2d", "conv1d"),
    "卷积": ("conv2d", "conv1d"),
    "pool": ("mean_pool", "cls_pool"),
    "池化": ("mean_pool", "cls_pool"),
    "activation": ("gelu", "relu", "silu"),
    "激活": ("gelu", "relu", "silu"),
    "sum": ("add",),
    "residual": ("add",),
    "残差": ("add",),
    "相加": ("add",),
    "拼接": ("concat",),
    "head": ("linear",),
    "output": ("linear", "identity"),
    "输出": ("linear", "identity"),
    "split": ("split", "identity"),
    "pad": ("pad",),
    "填充": ("pad",),
    "squeeze": ("squeeze", "unsqueeze"),
    "max": ("max_pool", "reduce_max", "maximum"),
    "average": ("mean_pool", "reduce_mean", "mean"),
    "subtract": ("sub",),
    "相减": ("sub",),
    "minus": ("sub",),
    "divide": ("div",),
    "相除": ("div",),
    "power": ("pow",),
    "deconv": ("conv_transpose2d", "conv_transpose1d"),
    "反卷积": ("conv_transpose2d", "conv_transpose1d"),
    "layer scale": ("learned_scale",),
    "temperature": ("learned_scale",),
    "温度": ("learned_scale",),
    "clip": ("clamp",),
    "rotary": ("attention",),
}
_INPUT = re.compile(r"input|token|mask|image|data|ids\b|\bx\b|输入|数据|图像", re.IGNORECASE)
_IDS = re.compile(r"token|mask|ids\b", re.IGNORECASE)


def op_of(node: Drawn) -> str | None:
    """The op that the label or the id of a node names as it is; the resolver reads them so as well."""
    return next((name for name in (node.label, node.id) if name in REGISTRY or name == "stack"), None)


def looks_like_input(node: Drawn) -> bool:
    """Whether a node that no arrow enters is rather an input than something that is fed by one."""
    if op_of(node) or meant_by(node):
        return False
    return node.label is None or bool(_INPUT.search(node.label))


def looks_like_ids(node: Drawn) -> bool:
    """Whether an input holds whole numbers, by its name."""
    return bool(_IDS.search(f"{node.id} {node.label or ''}"))


def meant_by(node: Drawn) -> tuple[str, ...]:
    """The ops that the words of a node speak of, those that are spelt alike first; `block` is one of the user's own."""
    text = (node.label or node.id).lower()
    close = [
        op for word in re.findall(r"[a-z_0-9]{3,}", text) for op in difflib.get_close_matches(word, REGISTRY, 2, 0.75)
    ]
    meant = [op for part, ops in MEANT.items() if part in text for op in ops]
    return tuple(dict.fromkeys([*close, *meant]))


def fitting(entering: int) -> tuple[str, ...]:
    """Ops that take this many arrows without labels and without a merge, the usual ones first."""
    usual = ("linear", "mlp", "layer_norm", "gelu", "identity") if entering <= 1 else ("add", "mean", "concat", "mul")
    return usual


def takes(op: str, entering: int) -> bool:
    """Whether the first port of an op takes this many arrows."""
    if op not in REGISTRY:
        return entering <= 1
    first: Port = REGISTRY[op].ports[0]
    return entering <= 1 or first.variadic


def with_ports(meant: tuple[str, ...], entering: int) -> tuple[str, ...]:
    """Ops that have a port for each of the arrows: of those that are meant, else of all."""
    wide = [op for op in meant or REGISTRY if op in REGISTRY and len(REGISTRY[op].ports) >= entering > 1]
    return tuple(wide[:3])
