"""Find the weights of a spec and of its parts: open the files, match them, and require finite numbers."""

from __future__ import annotations

from collections.abc import Callable

from stackc.core.diagnostics import Span
from stackc.ir.program import Program
from stackc.spec.document import Document
from stackc.spec.expressions.expressions import Scope
from stackc.weights.files import Paths, TensorFile, describe_paths, open_weights
from stackc.weights.finite import require_finite
from stackc.weights.match import declared_for, match_program, weights_path
from stackc.weights.parts import declared_parts, find_part_weights
from stackc.weights.sources import Weights


def find_weights(
    document: Document,
    program: Program,
    params: Scope,
    override: Paths | None,
    open_files: Callable[[Paths, Span | None], TensorFile] = open_weights,
) -> Weights | None:
    """Match the files of the command line, or else of the spec and its parts, as `open_files` opens them.

    None if nothing names a file. Every tensor is read once for the check that it is finite, and later again where it is
    used. Raises SpecError: W801 to W808 and W810 if the files do not fit.
    """
    if override is None and program.parts:
        parts = declared_parts(document, program, params)
        return find_part_weights(parts, program, open_files) if parts else None
    paths, span = weights_path(document, override)
    if paths is None:
        return None
    file, name = open_files(paths, span), describe_paths(paths)
    weights = match_program(file, program, document.weights, params, name, span)
    require_finite(weights, declared_for(file, document.weights), name, span)
    return weights
