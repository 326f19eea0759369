"""Which names a spec may give: any Unicode word that PyTorch, Mermaid and a dotted path can bear."""

from __future__ import annotations

import keyword
import re
import unicodedata

from stackc.core.diagnostics import Collector, Span

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
    "_apply", "_backward_hooks", "_backward_pre_hooks", "_buffers", "_call_impl", "_compiled_call_impl",
    "_forward_hooks", "_forward_hooks_always_called", "_forward_hooks_with_kwargs", "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs", "_get_backward_hooks", "_get_backward_pre_hooks", "_get_name",
    "_is_full_backward_hook", "_load_from_state_dict", "_load_state_dict_post_hooks",
    "_load_state_dict_pre_hooks", "_maybe_warn_non_full_backward_hook", "_modules", "_named_members",
    "_non_persistent_buffers_set", "_parameters", "_register_load_state_dict_pre_hook",
    "_register_state_dict_hook", "_replicate_for_data_parallel", "_save_to_state_dict", "_slow_forward",
    "_state_dict_hooks", "_state_dict_pre_hooks", "_version", "_wrapped_call_impl",
})
# Words at which Mermaid's flowchart grammar reads something else than a node; a test holds it to Mermaid itself.
MERMAID_WORDS = frozenset({
    "end", "class", "classDef", "style", "linkStyle", "click", "subgraph", "graph", "flowchart", "flowchart-elk",
    "href", "call", "interpolate", "swimlane-beta", "_self", "_blank", "_parent", "_top",
})
# fmt: on

# What a word means in an expression before anyone looks for a param or a dim of that name.
EXPRESSION_WORDS = frozenset({*keyword.kwlist, "true", "false", "null", "min", "max", "ceil", "floor"})

_WORD = re.compile(r"[\w-]+")


def check_name(name: str, what: str, span: Span, diagnostics: Collector) -> None:
    """Note S008 where `name` cannot be the name of a node, an input or a block."""
    if not _WORD.fullmatch(name):
        hint = "use letters, digits, '_' and '-', of any script"
        diagnostics.error("S008", f"'{name}' cannot be the name of {what}", span, hint)
    elif name in MODULE_NAMES or name in MERMAID_WORDS or name.startswith("__"):
        owner = "Mermaid" if name in MERMAID_WORDS else "PyTorch"
        diagnostics.error(
            "S008", f"'{name}' cannot be the name of {what}: {owner} has taken it", span, f"call it {_free(name)}"
        )


def check_symbol(name: str, what: str, span: Span, diagnostics: Collector) -> None:
    """Note S008 where `name` cannot be the name of a param or a dim, which stand in expressions."""
    if not is_symbol(name):
        taken = name in EXPRESSION_WORDS
        reason = ": it means something else in an expression" if taken else ""
        hint = f"call it {_free(name)}" if taken else "use letters, digits and '_', and a letter first"
        diagnostics.error("S008", f"'{name}' cannot be the name of {what}{reason}", span, hint)


def is_symbol(name: str) -> bool:
    """Whether an expression reads `name` as one name, and as this one: Python folds look-alike letters (NFKC)."""
    folded = unicodedata.normalize("NFKC", name)
    return name.isidentifier() and name == folded and name not in EXPRESSION_WORDS


def _free(name: str) -> str:
    return f"'{name.strip('_')}_'"
