"""Document → Graph: params and dims take their values, blocks and stacks are expanded, every arrow finds its port.

resolve.py    the stage
contract.py   the dims contract
params.py     values of params
scope.py      what names mean at one place of a spec
expand.py     drawings → regions
operators.py  what the op of a node names
op_guess.py   what op a node may have been meant to have
stacks.py     stacks of sub-models
wiring.py     arrows → ports
operands.py   values that meet at one port
taps.py       outputs from inside a block or stack
entries.py    ties and reparametrizations of a node entry
sharing.py    modules that are called again
fields.py     field values, decoded as the component takes them
reparams.py   `reparam:` of a node
custom.py     `op: torch`
mentions.py   dims and params that nothing mentions
unused.py     blocks, inputs and params that nothing uses
"""
