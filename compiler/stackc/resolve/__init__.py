"""Document → Graph: params and dims get their values, blocks and stacks are expanded, every arrow finds its port.

resolve.py         the stage
contract.py        the dims contract
params.py          values of params
scope.py           names and their values at one place of a spec
context.py         state shared by the expansion
expand.py          specs and blocks → regions
expand_drawing.py  drawings → regions
expand_stack.py    stacks → regions
expand_scan.py     `op: scan`: blocks → cells
operators.py       the op of a node: component, block or stack
op_guess.py        the op that a drawn node probably means
custom.py          `op: torch`
includes.py        blocks of other files
stacks.py          the fields of a stack
wiring.py          arrows → ports
outputs.py         outputs of a drawing
taps.py            outputs from inside a block or stack
operands.py        operands of a node, and merges in front of it
entries.py         merges and ties of a node's entry
fields.py          fields of a node, decoded for its component
foreign_fields.py  names of fields elsewhere, for the help about unknown ones
reparams.py        `reparam:` of a node
sharing.py         `same_as:`, modules that are called again
mentions.py        dims and params that are never mentioned
half_inputs.py     casts of inputs of half precision
losses_of_models.py  losses outside of `train:`
train_graph.py     the losses under `train:`, drawn beside the model
train_metrics.py   metrics, which are nodes of that graph
train_columns.py   what each input of the examples is made from
train_parameters.py  the parameters that are trained, their learning rates and weight decay
train_privacy.py   the settings that do not go with `privacy`
train_settings.py  all other settings under `train:`
budget.py          how much error a file of lower precision may have
decode_settings.py what `decode:` names
assertions.py      what a spec asserts of its losses and metrics
unused.py          blocks, and outputs of blocks, that are never used
"""
