"""Check the names in a spec: any Unicode word that is valid in PyTorch, in Mermaid and in a dotted path."""

from __future__ import annotations

import keyword
import re
import unicodedata

from stackc.core.diagnostics import Collector, Span

# Attributes of torch.nn.Module, which no submodule can have as its name; a test compares them with dir(nn.Module).
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
# Words that Mermaid's flowchart grammar does not read as a node; a test compares them with Mermaid itself.
MERMAID_WORDS = frozenset({
    "end", "class", "classDef", "style", "linkStyle", "click", "subgraph", "graph", "flowchart", "flowchart-elk",
    "href", "call", "interpolate", "swimlane-beta", "_self", "_blank", "_parent", "_top",
})
# fmt: on

# Words with a meaning of their own in expressions, so that no param or dim can have them as its name.
EXPRESSION_WORDS = frozenset({*keyword.kwlist, "true", "false", "null", "min", "max", "ceil", "floor"})

_WORD = re.compile(r"[\w-]+")


def check_name(name: str, what: str, span: Span, diagnostics: Collector) -> None:
    """Report S008 if `name` is not valid for a node, an input or a block; `what` says which, with its article."""
    if not _WORD.fullmatch(name):
        allowed = "letters (of any script), digits, '_' and '-'"
        proposal = re.sub(r"[^\w-]+", "_", name).strip("_")
        hint = f"write '{proposal}': names have {allowed}" if proposal else f"use {allowed}"
        diagnostics.error("S008", f"'{name}' is not a valid name for {what}", span, hint)
    elif name in MODULE_NAMES or name in MERMAID_WORDS or name.startswith("__"):
        owner = "Mermaid" if name in MERMAID_WORDS else "PyTorch"
        message = f"'{name}' is not a valid name for {what}: {owner} reserves it"
        diagnostics.error("S008", message, span, f"rename it to {_unreserved(name)}")


def check_symbol(name: str, what: str, span: Span, diagnostics: Collector) -> None:
    """Report S008 if `name` is not valid for a param or a dim, whose names appear in expressions."""
    if not is_symbol(name):
        is_reserved = name in EXPRESSION_WORDS
        reason = ": it is reserved in expressions" if is_reserved else ""
        hint = (
            f"rename it to {_unreserved(name)}"
            if is_reserved
            else "use letters, digits and '_', starting with a letter"
        )
        diagnostics.error("S008", f"'{name}' is not a valid name for {what}{reason}", span, hint)


def is_symbol(name: str) -> bool:
    """Return whether an expression reads `name` as exactly this name: Python normalizes look-alike letters (NFKC)."""
    normalized = unicodedata.normalize("NFKC", name)
    return name.isidentifier() and name == normalized and name not in EXPRESSION_WORDS


def _unreserved(name: str) -> str:
    return f"'{name.strip('_')}_'"


# -- names of files

LONGEST_NAME = 100
_LONGEST_IN_BYTES = 200
_FILE_NAME = re.compile(r"[\w-][\w.-]*")
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


def why_no_file_name(name: str) -> str | None:
    """Return why `name` cannot be the name of a file on every system; None if it can."""
    if not _FILE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        return f"so use at most {LONGEST_NAME} letters, digits, '_', '.' and '-'"
    if len(name.encode()) > _LONGEST_IN_BYTES:
        return f"so use at most {_LONGEST_IN_BYTES} bytes of UTF-8"
    if name.startswith("-"):
        return "which every command would read as an option"
    if name.endswith("."):
        return "and Windows drops the dot at its end"
    if _is_device(name):
        return "and Windows reserves it for a device"
    return None


def as_file_name(name: str) -> str:
    """Return a name like this one that `why_no_file_name` accepts."""
    plain = re.sub(r"[^\w.-]+", "_", name).lstrip("-")[: LONGEST_NAME - 1].strip("._")
    plain = plain.encode()[:_LONGEST_IN_BYTES].decode(errors="ignore").lstrip("-").rstrip(".") or "model"
    stem, dot, rest = plain.partition(".")
    return f"{stem}_{dot}{rest}" if _is_device(plain) else plain


def _is_device(name: str) -> bool:
    """Return whether Windows takes a name for a device, in any case, with any suffix, or with a superscript digit."""
    return unicodedata.normalize("NFKC", name.partition(".")[0]).casefold() in _DEVICES
