"""The keys of `decode:`, for the schema and the language reference."""

from __future__ import annotations

from collections.abc import Mapping

from stackc.authoring.reference.key import NODE_ID, TEXT, Key, one_or_list

DECODE: Mapping[str, Key] = {
    "along": Key("a dim", "the dim whose entries come by and by", TEXT, required=True),
    "inputs": Key(
        "input or list", "the inputs that have the new entries in a step", one_or_list(NODE_ID), required=True
    ),
    "whole": Key(
        "input or list",
        "inputs that are given at full length in a step, past and new: a mask of keys. Others have no past at all",
        one_or_list(NODE_ID),
        "none",
    ),
    "outputs": Key("output or list", "the outputs of new entries", one_or_list(NODE_ID), required=True),
}
