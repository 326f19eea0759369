"""What a node can be: components, each declared once in the file of its family. `REGISTRY` maps op names to classes.

base.py              Component, Port, Signature: what every component is
registry.py          op → class; a family is imported when one of its ops is looked up
fields.py            the typed fields of a component as data
size_expressions.py  fields that are sizes of axes
windows.py           kernels, strides and paddings
construction.py      how a component's module is constructed
reparam.py           reparametrizations of parameters
families/            the components
custom/              a user's own torch.nn.Module
plugins.py           components that installed packages offer
"""

from stackc.components.registry import REGISTRY

__all__ = ["REGISTRY"]
