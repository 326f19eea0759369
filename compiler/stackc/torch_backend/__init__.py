"""Typed graph → PyTorch: the module that `lower` returns, and the source that `show --as torch` prints.

lower.py         typed graph → nn.Module, and loading weights into it
flat.py          program → nn.Module that runs its calls one by one, for what comes of a pass
state.py         the state of a module as arrays
reparam.py       reparametrizations, registered on a module
ties.py          which parameters are tied to which, transitively
forward.py       region → the lines of its forward
names.py         names of a spec as Python identifiers
torch_file.py    typed graph → one file of plain PyTorch
training_file.py a spec with its training → one file of plain PyTorch; its template is in pages/
classes.py       typed regions → the classes of that file, with parameters for the numbers that differ
values.py        what submodules are made of: classes and their arguments, as data and as source
support.py       the classes of stackc.modules that the file needs, as source
layout.py        source on lines of at most 120 columns
"""
