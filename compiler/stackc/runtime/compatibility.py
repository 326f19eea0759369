"""The first release of ONNX Runtime that loads a file, by its IR version, opset and operators.

ONNX Runtime promises that a later release loads what an earlier one does. Its own table of opsets
(https://onnxruntime.ai/docs/reference/compatibility.html) ends at 1.20 and lists only opsets, so these figures are
measured: `python tests/benchmarks/compatibility.py` opens and runs built artifacts in one release after the other.
"""

from __future__ import annotations

from collections.abc import Iterable

Release = tuple[int, int]

IR_VERSIONS: dict[int, Release] = {10: (1, 18)}
OPSETS: dict[int, Release] = {18: (1, 18), 19: (1, 18), 20: (1, 18), 21: (1, 18), 22: (1, 21), 23: (1, 23)}
OPERATORS: dict[tuple[str, str], Release] = {
    ("", "Trilu"): (1, 19),  # of booleans, as in causal masks
    # with the attention bias of a mask: 1.18 and 1.19 refuse its shape, and 1.20 computes wrong results
    ("com.microsoft", "MultiHeadAttention"): (1, 21),
}


def first_release(ir_version: int, opset: int, operators: Iterable[tuple[str, str]]) -> str:
    """Return the first release, as "1.23", that runs a model of this IR version and opset with these (domain, name)."""
    needed = [IR_VERSIONS[ir_version], OPSETS[opset], *(OPERATORS.get(operator, (0, 0)) for operator in operators)]
    return ".".join(map(str, max(needed)))
