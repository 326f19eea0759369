"""stackc check SPEC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackc.cli.options import diagnostics_option, override_options, spec_argument
from stackc.cli.report import rounded
from stackc.cli.screen import echo, echo_json, style
from stackc.core.plurals import counted
from stackc.dataflow.batch_axis import joined_batches
from stackc.frontend import Checked, Overrides, check_spec
from stackc.resolve.unused import unread_outputs
from stackc.spec.binary_kinds import is_model_file
from stackc.spec.source import load_source

if TYPE_CHECKING:
    from stackc.artifact.identity import ModelIdentity


@click.command("check")
@spec_argument
@override_options
@diagnostics_option
def command(spec: Path, overrides: Overrides, as_json: bool) -> None:
    """Check SPEC: names, arrows, shapes and types. Report its parameters and FLOPs. Does not import PyTorch.

    Of an ONNX file that stackc built, tell the spec it was built from and whether it is unchanged.
    """
    if is_model_file(spec):
        _check_file(spec, as_json=as_json)
        return

    checked = check_spec(spec, overrides)
    if as_json:
        echo_json(_facts(checked))
    else:
        _print_summary(checked)
        _print_notes(checked)


def _check_file(path: Path, *, as_json: bool) -> None:
    """Tell what an ONNX file says about itself. Raises SpecError S009 if it is not one of stackc's."""
    from stackc.artifact.identity import read_identity

    identity = read_identity(path)
    if identity is None:
        load_source(path)  # raises: it is no spec
    elif as_json:
        echo_json(_identity_facts(identity))
    else:
        _print_identity(path, identity)


def _identity_facts(identity: ModelIdentity) -> dict[str, Any]:
    from stackc.artifact.manifest import contract_json

    told = {"name": identity.name, "version": identity.version, "digest": identity.digest}
    return told | contract_json(identity.dims, identity.inputs, identity.outputs)


def _print_identity(path: Path, identity: ModelIdentity) -> None:
    echo(f"{path}: built by stackc {identity.version} from the spec '{identity.name}', unchanged since")
    for kind, values in (("in ", identity.inputs), ("out", identity.outputs)):
        for value in values:
            echo(f"  {kind}  {value.name}: {value}")
    for name, limits in identity.dims.items():
        multiple = f", a multiple of {limits.multiple_of}" if limits.multiple_of > 1 else ""
        echo(f"  dim  {name}: {limits.minimum} to {limits.maximum or 'any'}{multiple}")
    echo(f"  digest {identity.digest}")


def _facts(checked: Checked) -> dict[str, Any]:
    program, cost = checked.program, checked.cost
    return {
        "name": program.name,
        "inputs": {name: str(type_) for name, type_ in program.inputs.items()},
        "outputs": {name: str(program.types[value]) for name, value in program.outputs.items()},
        "components": len(program.calls),
        "parameters": cost.parameters,
        "flops": str(cost.flops),
        "unused_blocks": list(checked.graph.unused),
        "unread_outputs": [f"{block}.{name}" for block, name in unread_outputs(checked.graph.root)],
        "unused_params": list(checked.unused_params),
        "assumptions": checked.assumptions,
        "warnings": list(_warnings(checked)),
        "diagnostics": [],
    }


def _print_summary(checked: Checked) -> None:
    program, cost = checked.program, checked.cost
    echo(f"{program.name}: OK")
    for name, type_ in program.inputs.items():
        echo(f"  in   {name}: {type_}")
    for name, value in program.outputs.items():
        echo(f"  out  {name}: {program.types[value]}")
    if checked.training:
        nodes = checked.training.typed.root.region.nodes
        for name in (*checked.training.losses, *checked.training.metrics):
            echo(f"  {'loss' if name in checked.training.losses else 'metric'} {name}: {nodes[name].op}")

    short = f" ({rounded(cost.parameters)})" if cost.parameters >= 1000 else ""
    echo(f"  {counted(len(program.calls), 'component')}, {counted(cost.parameters, 'parameter')}{short}")
    echo(f"  FLOPs: {cost.flops}")


def _warnings(checked: Checked) -> Iterator[str]:
    """Yield what is legal, and rarely meant."""
    for call in joined_batches(checked.program):
        yield f"'{call.path}' (concat) joins along the batch axis; `axis: -1` joins features ({call.span})"


def _print_notes(checked: Checked) -> None:
    """Print what is assumed of inputs, and what the spec declares or computes without using it."""
    document, graph = checked.document, checked.graph
    for warning in _warnings(checked):
        echo(style("warning: ", fg="yellow", bold=True), warning)
    for name, assumption in checked.assumptions.items():
        echo(f"  note: {assumption} ({document.inputs[name].span})")
    for name in checked.unused_params:
        echo(f"  note: the param '{name}' is unused ({document.params[name].span})")
    for name in graph.unused:
        echo(f"  note: the block '{name}' is unused ({document.blocks[name].body.span})")
    for block, name in unread_outputs(graph.root):
        echo(f"  note: the output '{name}' of the block '{block}' is unused, but computed nevertheless")
