"""Weights from files. This module imports nothing, so that checking a spec loads no NumPy.

files/    files of named tensors
rules.py  `weights: {map: …}`: the names that parameters have in a file
match.py  match every tensor of a program with a tensor of the file
finite.py tensors that hold NaN or Inf
"""
