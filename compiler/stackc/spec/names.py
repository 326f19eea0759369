"""Which names a spec may give: any Unicode word that PyTorch, Mermaid and a dotted path can bear."""

from __future__ import annotations

import re

from stackc.diagnostics import Collector, Span

# What torch.nn.Module has taken for itself, so that no submodule can bear it; a test holds it to dir(nn.Module).
# fmt: off
MODULE_NAMES = frozenset({
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile",
    "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer",
    "get_extra_state", "get_parameter", "get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia",
    "named_buffers", "named_children", "named_modules", "named_parameters", "parameters", "parametrizations",
    "register_backward_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook",
    "register_full_backward_hook", "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook", "register_module", "register_parameter", "register_state_dict_post_hook",
    "register_state_dict_pre_hook", "requires_grad_", "set_extra_state", "set_submodule", "share_memory",
    "state_dict", "to", "to_empty", "train", "training", "type", "xpu", "zero_grad",
})
# Words at which Mermaid's flowchart grammar reads something else than a node.
MERMAID_WORDS = frozenset({
    "end", "class", "classDef", "style", "linkStyle", "click", "subgraph", "graph", "flowchart", "direction",
    "default", "href", "call",
})
# fmt: on

_WORD = re.compile(r"[\w-]+$")


def check_name(name: str, what: str, span: Span, found: Collector) -> None:
    """Note S008 where `name` cannot be the name of a node, an input, a param or a block."""
    if "." in name or not _WORD.match(name):
        found.error(
            "S008", f"'{name}' cannot be the name of {what}", span, "use letters, digits, '_' and '-', of any script"
        )
    elif name in MODULE_NAMES or name in MERMAID_WORDS or name.startswith("__"):
        owner = "Mermaid" if name in MERMAID_WORDS else "PyTorch"
        found.error(
            "S008",
            f"'{name}' cannot be the name of {what}: {owner} has taken it",
            span,
            f"call it '{name.strip('_')}_'",
        )
