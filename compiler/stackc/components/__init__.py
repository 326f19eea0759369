"""What a node can be: components, each declared once in the file of its family. `REGISTRY` maps op names to classes.

base.py              Component, Port, Signature, SignatureError, and checks that signatures share
registry.py          op → class; a family is imported when one of its ops is looked up
construction.py      how a component's module is constructed
fields.py            the typed fields of a component as data
size_expressions.py  fields that are sizes of axes
entering_sizes.py    fields that are sizes of what enters: `channels(x)`
windows.py           kernels, strides and paddings
window_pools.py      pooling over windows
convolutions.py      convolutions over one, two or three axes
margins.py           what is added before and after the axes that a window slides along
size_checks.py       checks of fields that are sizes of axes
axes.py              where a component is pointwise along the axes of its inputs
along.py             how a component acts along an axis that is followed through a model
reparam.py           reparametrizations of parameters
attended.py          masks and biases of attentions, and how they act along a sequence
losses.py            what losses and metrics share
rope_scaling.py      scalings of rotary positions for longer sequences
scan.py              `op: scan`, a block applied along an axis
families/            the components
steps/               what they run as in a step along a sequence
custom/              a user's own torch.nn.Module
plugins.py           components of installed packages
deprecated.py        names and module paths of the previous release

A package that declares components imports what it needs from here.
"""

from typing import TYPE_CHECKING

from stackc.components.along import Along, Followed, Mixes, Portion, Reduces, State
from stackc.components.base import Component, Port, Signature, SignatureError
from stackc.components.construction import construct
from stackc.components.deprecated import install, moved_names
from stackc.components.registry import REGISTRY, component

__all__ = [
    "REGISTRY", "Along", "Component", "Followed", "Mixes", "Port", "Portion", "Reduces", "Signature", "SignatureError",
    "State", "component", "construct",
]  # fmt: skip

install()
if not TYPE_CHECKING:
    __getattr__ = moved_names(__name__, Misfit="stackc.components.SignatureError")
