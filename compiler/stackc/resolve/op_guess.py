"""Guess what a drawn node means, from its words and the number of arrows that enter it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from stackc.components import REGISTRY
from stackc.components.base import Port
from stackc.spec.drawing import DrawnNode

_MODEL = ("block", "mlp", "linear", "attention")
_NORMS = ("layer_norm", "rms_norm", "batch_norm", "instance_norm")
_POSITIONS = ("sinusoidal_position", "learned_position")
_POOLS = ("mean_pool", "max_pool2d", "avg_pool2d", "cls_pool")

# Parts of labels → the ops that people mean by them; a part that ends in a blank matches whole words only. Of
# overlapping parts the longest counts: "max pool" is not "pool". The op "block" is a block of the user's own.
MEANT: Mapping[str, tuple[str, ...]] = {
    "transformer": ("block", "stack"),
    "encoder": ("block", "stack"),
    "decoder": ("block", "stack"),
    "block": ("block",),
    "model": _MODEL,
    "模型": _MODEL,
    "stack": ("stack", "add", "identity"),
    "叠加": ("add", "stack", "identity"),
    "堆叠": ("stack",),
    "norm": _NORMS,
    "ln ": ("layer_norm",),
    "bn ": ("batch_norm",),
    "归一化": _NORMS,
    "standardize": _NORMS,
    "attention": ("attention",),
    "attn": ("attention",),
    "multi head": ("attention",),
    "multihead": ("attention",),
    "mha ": ("attention",),
    "注意力": ("attention",),
    "dense": ("linear",),
    "full": ("linear",),
    "fully connected": ("linear",),
    "weight layer": ("conv2d", "linear"),
    "fc ": ("linear",),
    "project": ("linear",),
    "全连接": ("linear",),
    "线性": ("linear",),
    "feed": ("mlp",),
    "feed forward": ("mlp",),
    "ffn ": ("mlp",),
    "mlp ": ("mlp",),
    "mlp head": ("mlp", "linear"),
    "perceptron": ("mlp",),
    "前馈": ("mlp",),
    "embed": ("embedding", "learned_position"),
    "input embed": ("embedding",),
    "output embed": ("embedding",),
    "token embed": ("embedding",),
    "word embed": ("embedding",),
    "position embed": _POSITIONS,
    "嵌入": ("embedding",),
    "patch": ("patch_embed",),
    "patch embed": ("patch_embed",),
    "position": _POSITIONS,
    "位置": _POSITIONS,
    "conv": ("conv2d", "conv1d"),
    "卷积": ("conv2d", "conv1d"),
    "transposed conv": ("conv_transpose2d", "upsample"),
    "up conv": ("conv_transpose2d",),
    "upconv": ("conv_transpose2d",),
    "upsampl": ("upsample", "conv_transpose2d"),
    "downsampl": ("conv2d", "max_pool2d", "avg_pool2d"),
    "pool": _POOLS,
    "池化": _POOLS,
    "global pool": ("global_avg_pool", "global_max_pool"),
    "max pool": ("max_pool2d", "global_max_pool"),
    "maxpool": ("max_pool2d", "global_max_pool"),
    "average pool": ("avg_pool2d", "global_avg_pool", "mean_pool"),
    "avg pool": ("avg_pool2d", "global_avg_pool", "mean_pool"),
    "avgpool": ("avg_pool2d", "global_avg_pool", "mean_pool"),
    "global average pool": ("global_avg_pool", "mean_pool"),
    "global avg pool": ("global_avg_pool", "mean_pool"),
    "global max pool": ("global_max_pool",),
    "mean pool": ("mean_pool", "global_avg_pool"),
    "activation": ("gelu", "relu", "silu"),
    "激活": ("gelu", "relu", "silu"),
    "swish": ("silu",),
    "recurrent": ("lstm", "gru", "rnn"),
    "循环": ("lstm", "gru", "rnn"),
    "sum ": ("add",),
    "addition": ("add",),
    "scale": ("mul", "scale"),
    "plus ": ("add",),
    "+": ("add",),
    "⊕": ("add",),
    "residual": ("add", "block"),
    "残差": ("add", "block"),
    "相加": ("add",),
    "average ": ("mean",),
    "product": ("mul", "dot", "matmul"),
    "multiply": ("mul",),
    "× ": ("mul",),
    "⊗": ("mul",),
    "concat": ("concat",),
    "cat ": ("concat",),
    "拼接": ("concat",),
    "similarity": ("cosine_similarity", "dot"),
    "head": ("linear",),
    "classifier": ("linear",),
    "logits": ("linear", "identity"),
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
_INPUT = re.compile(r"input|previous|token|mask|image|data|ids\b|\bx\b|输入|数据|图像", re.IGNORECASE)
_IDS = re.compile(r"token|mask|ids\b", re.IGNORECASE)
_IMAGE = re.compile(r"image|picture|photo|pixel|图像|图片", re.IGNORECASE)
TAKES_IMAGES = frozenset({"conv2d", "conv_transpose2d", "patch_embed", "max_pool2d", "avg_pool2d", "upsample"})


def op_of(node: DrawnNode) -> str | None:
    """Return the op that is exactly the label or id of a node, as `find_operator` reads them; None without one."""
    return next((name for name in (node.label, node.id) if name in REGISTRY or name == "stack"), None)


def looks_like_input(node: DrawnNode) -> bool:
    """Return whether a node that no arrow enters looks like an input, not like a component."""
    if op_of(node) or meant_by(node):
        return False
    return node.label is None or bool(_INPUT.search(node.label))


def looks_like_ids(node: DrawnNode) -> bool:
    """Return whether the name of an input suggests whole numbers."""
    return bool(_IDS.search(f"{node.id} {node.label or ''}"))


def looks_like_images(node: DrawnNode, takers: Iterable[DrawnNode]) -> bool:
    """Return whether the name of an input, or a node that it feeds, suggests images."""
    ops = (op_of(taker) or next(iter(meant_by(taker)), "") for taker in takers)
    return bool(_IMAGE.search(f"{node.id} {node.label or ''}")) or any(op in TAKES_IMAGES for op in ops)


def meant_by(node: DrawnNode) -> tuple[str, ...]:
    """Return the ops that the words of a node suggest, the likeliest first; `block` is a block of the user's own.

    First an op that is the whole label, in any spelling, unless MEANT has the label; then the ops of MEANT, the
    longest part first; then ops of similar spelling.
    """
    label = node.label or node.id
    text = f" {_WORD_BREAK.sub(' ', label).lower()} "

    whole = [op for op in REGISTRY if _squeezed(op) == _squeezed(label)]
    words = [op for part in _parts(text) for op in MEANT[part]]
    close = [
        op for word in re.findall(r"[a-z_0-9]{4,}", text) for op in difflib.get_close_matches(word, REGISTRY, 2, 0.8)
    ]

    ranked = [*words, *whole] if text.strip() in MEANT else [*whole, *words]
    return tuple(dict.fromkeys([*ranked, *close]))


_WORD_BREAK = re.compile(r"[\s_/&,.:()-]+")


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def _parts(text: str) -> list[str]:
    """Return the parts of MEANT in a text, the longest first, without those inside a longer one."""
    return list(dict.fromkeys(part for part, _ in _stretches(text)))


def _stretches(text: str) -> list[tuple[str, range]]:
    """Return the parts of MEANT in a text with their places, the longest first, without those inside a longer one."""
    taken: list[tuple[str, range]] = []
    for part in sorted(MEANT, key=len, reverse=True):
        # A Latin part must begin a word; with a blank at its end, it must be a whole word.
        pattern = (r"(?<![a-z])" if part[0].isascii() and part[0].isalpha() else "") + re.escape(part)
        for match in re.finditer(pattern, text):
            stretch = range(match.start(), match.start() + len(part.rstrip()))
            if not any(stretch.start in other and stretch.stop - 1 in other for _, other in taken):
                taken.append((part, stretch))
    return taken


def meaning(words: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ops that words mean, and those of the words that say something else about them.

    Unlike `meant_by` it does not guess by spelling: nothing is returned for words that nobody has listed.
    """
    text = f" {_WORD_BREAK.sub(' ', words).lower().strip()} "
    whole = [op for op in REGISTRY if _squeezed(op) == _squeezed(words)]
    if whole and text.strip() not in MEANT:
        return (whole[0],), ()

    stretches = _stretches(text)
    ops = dict.fromkeys(op for part, _ in stretches for op in MEANT[part])
    others = [
        word[0]
        for word in re.finditer(r"\S+", text)
        if not any(word.start() < place.stop and place.start < word.end() for _, place in stretches)
    ]
    return tuple(ops), tuple(word for word in others if word not in _NEUTRAL)


_NEUTRAL = frozenset(
    """a and by channel channels depth feature features filter filters function layer layers of op operation self the
    unit units with""".split()  # noqa: SIM905  words read better as running text than as a list
)


def ops_by_arity(entering: int) -> tuple[str, ...]:
    """Return common ops that take this many arrows without labels or a merge."""
    return ("linear", "mlp", "layer_norm", "gelu", "identity") if entering <= 1 else ("add", "mean", "concat", "mul")


def takes(op: str, entering: int) -> bool:
    """Return whether the first port of an op takes this many arrows."""
    if op not in REGISTRY:
        return entering <= 1
    if not REGISTRY[op].ports:
        return entering == 0
    first: Port = REGISTRY[op].ports[0]
    return entering <= 1 or first.variadic


def with_ports(meant: tuple[str, ...], entering: int) -> tuple[str, ...]:
    """Return ops with a port for each of several arrows: those of `meant`, or of all ops if it is empty."""
    wide = [op for op in meant or REGISTRY if op in REGISTRY and len(REGISTRY[op].ports) >= entering > 1]
    return tuple(wide[:3])


def listed(ops: Iterable[str]) -> str:
    """Join guesses for a sentence."""
    return " or ".join("a block of your own" if op == "block" else op for op in ops)
