"""Expressions over the tensors of a file: `h.{i}.qkv.weight[0:dim, :].T`, `cat(a, b, axis=0)`, `norm.weight + 1`.

Spelled as NumPy and PyTorch spell them, and never handed to Python. Imports no NumPy until a tensor is read.

operations.py  what may be done with tensors: the shape of the result, and the result
tree.py        an expression with its sizes and names known: names, shape, type, value
template.py    an expression as written, bound to the captures of a pattern and to params
parser.py      text → template
"""
