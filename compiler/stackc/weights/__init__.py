"""Weights from files. This module imports nothing, so that checking a spec loads no NumPy.

files/        files of named tensors
tensor_expressions/  what a parameter is read from: `h.{i}.qkv.weight[0:dim].T`
rules.py      `weights: {map: …}`: from patterns of names to expressions
resolved_map.py  the map as one model needs it, for a lock
sources.py    the tensors of a model, each read when it is needed
match.py      match every tensor of a program with tensors of the file
mismatch.py   report what does not fit
parts.py      weights of a model whose parts have files of their own
loading.py    open, match and check the weights of a spec
proposals.py  propose entries of a map
finite.py     tensors that hold NaN or Inf
"""
