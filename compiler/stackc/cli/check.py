"""stackc check SPEC."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stackc.cli.options import diagnostics_option, override_options, spec_argument
from stackc.cli.report import count
from stackc.core.plurals import counted
from stackc.frontend import Overrides, check_spec
from stackc.resolve.unused import unread_outputs


@click.command("check")
@spec_argument
@override_options
@diagnostics_option
def command(spec: Path, overrides: Overrides, as_json: bool) -> None:
    """Check SPEC: names, arrows, shapes and types. Tells parameters and FLOPs; imports no PyTorch."""
    checked = check_spec(spec, overrides)
    program, cost = checked.program, checked.cost
    outputs = {name: str(program.types[value]) for name, value in program.outputs.items()}
    unused, unread = list(checked.graph.unused), unread_outputs(checked.graph.root)
    if as_json:
        inputs = {name: str(t) for name, t in program.inputs.items()}
        facts = {"name": program.name, "inputs": inputs, "outputs": outputs, "components": len(program.calls)}
        facts |= {"parameters": cost.parameters, "flops": str(cost.flops), "unused_blocks": unused}
        facts |= {"unread_outputs": [f"{block}.{name}" for block, name in unread]}
        facts |= {"unused_params": list(checked.unused_params), "diagnostics": []}
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    click.echo(f"{program.name}: sound")
    for name, type_ in program.inputs.items():
        click.echo(f"  in   {name}: {type_}")
    for name, text in outputs.items():
        click.echo(f"  out  {name}: {text}")
    short = f" ({count(cost.parameters)})" if cost.parameters >= 1000 else ""
    click.echo(f"  {counted(len(program.calls), 'component')}, {counted(cost.parameters, 'parameter')}{short}")
    click.echo(f"  FLOPs: {cost.flops}")
    for name in checked.unused_params:
        click.echo(f"  note: nothing here uses the param '{name}' ({checked.document.params[name].span})")
    for name in unused:
        click.echo(f"  note: nothing here uses the block '{name}' ({checked.document.blocks[name].body.span})")
    for block, name in unread:
        click.echo(
            f"  note: nothing takes the output '{name}' of the block '{block}', which is calculated all the same"
        )
