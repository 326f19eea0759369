"""Specs and blocks → regions: every node gets its component or region, every port its operands.

Expansion is one recursion: the body of a spec or block contains nodes, and a node may be a block or a stack, which have
bodies of their own. Equal blocks in equal surroundings are expanded once and shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stackc.components.custom.module import CustomModule
from stackc.ir.model import Body, Region
from stackc.resolve.context import CallSite, Context
from stackc.resolve.custom import arguments_of
from stackc.resolve.expand_drawing import DrawingUse, expand_drawing
from stackc.resolve.expand_scan import cell_fields, expand_scan
from stackc.resolve.expand_stack import expand_stack
from stackc.resolve.fields import component_of
from stackc.resolve.operators import Operator, ScanOf, StackOf, op_name
from stackc.resolve.params import Binding, bind_params, text_places
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl
from stackc.spec.yaml.tree import Entry

MAX_DEPTH = 50
MOST_NODES = 40_000
MOST_REGIONS = 3_000


def expand(context: Context) -> Region | None:
    """Return the region of the whole spec; None, reported, if it is invalid."""
    inputs = {name: decl.span for name, decl in context.document.inputs.items()}
    whole = BlockDecl(context.document.body, context.document.params, (), context.document.inputs)
    return expand_drawing(context, DrawingUse(whole, "spec", context.root, inputs), _instantiate)


def expand_block(context: Context, block: BlockDecl, scope: Scope) -> Region | None:
    """Return the region of a block on its own, all of its inputs connected; None, reported, if it is invalid."""
    inputs = {port.name: port.span for port in block.ports}
    context.open.append(op_name(block))
    region = expand_drawing(context, DrawingUse(block, "block", scope, inputs), _instantiate)
    context.open.pop()
    return region


def _instantiate(
    context: Context, operator: Operator, fields: Mapping[str, Entry], scope: Scope, site: CallSite
) -> Body | None:
    """Return the component or region of an op; None, reported, if it is invalid or the spec is too large (S003)."""
    context.node_count += 1
    if context.node_count > MOST_NODES or len(context.regions) > MOST_REGIONS:
        message = f"the spec expands to more than {MOST_NODES:,} different nodes or {MOST_REGIONS:,} different blocks"
        hint = "repeat less, or with the same params"
        context.diagnostics.error("S003", message, context.document.body.span, hint)
        return None

    if isinstance(operator, StackOf):
        return expand_stack(context, operator, fields, scope, site, _instantiate)
    if isinstance(operator, BlockDecl):
        return _expand_call(context, operator, fields, scope, site)
    if isinstance(operator, ScanOf):
        arguments = cell_fields(operator.block, fields, scope, site)
        region = _expand_call(context, operator.block, arguments, scope, replace(site, taps={}))
        return expand_scan(region, fields, scope, site) if region else None

    for tap, span in site.taps.items():
        names = ", ".join(operator.outputs)
        hint = f"its outputs are {names}" if len(operator.outputs) > 1 else f"its only output is {names}"
        context.diagnostics.error("N313", f"{site.what} ({operator.op}) has no output '{tap}'", span, hint)
    arguments = arguments_of(fields) if issubclass(operator, CustomModule) else fields
    component = component_of(operator, arguments, scope, site.what, site.span)
    return None if site.taps else component


def _expand_call(
    context: Context, block: BlockDecl, fields: Mapping[str, Entry], scope: Scope, site: CallSite
) -> Region | None:
    """Return the region of a block that a node calls: shared by all calls with the same params, ports and taps."""
    home = scope.home_of(block)
    name = op_name(block) if home.file == context.document.file else f"{home.file}#{op_name(block)}"
    if not _may_open(context, name, site):
        return None
    binding = Binding(f"{site.what} ({name})", site.span, "write `{name}: …`")
    params = bind_params(block.params, fields, scope, home, binding)
    if params is None:
        return None

    # 1, 1.0 and true are equal, and are different params: the key has the types as well.
    values = tuple((param, type(value), value) for param, value in params.items())
    key = (name, values, site.connected, frozenset(site.taps))
    if key not in context.regions:
        context.used[name] = None
        inputs = {port.name: port.span for port in block.ports if port.name in site.connected}
        open_inputs = frozenset(port.name for port in block.ports) - site.connected
        inner = home.with_names(params, text_places(block.params, fields, params))

        context.open.append(name)
        use = DrawingUse(block, "block", inner, inputs, open_inputs, site.taps)
        region = expand_drawing(context, use, _instantiate)
        context.open.pop()
        context.regions[key] = region and replace(region, params=params)
    return context.regions[key]


def _may_open(context: Context, name: str, site: CallSite) -> bool:
    """Return whether a block may be expanded inside the open ones; report N315 for a cycle, S003 if too deep."""
    if name in context.open:
        cycle = " → ".join([*context.open[context.open.index(name) :], name])
        message = f"the block '{name}' contains itself: {cycle}"
        context.diagnostics.error("N315", message, site.span, "use a stack to repeat a block")
        return False
    if len(context.open) == MAX_DEPTH:
        message = f"blocks are nested deeper than {MAX_DEPTH}"
        context.diagnostics.error("S003", message, site.span, "use a stack to repeat a block")
        return False
    return True
