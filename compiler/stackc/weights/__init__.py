"""Weights from files: the files, the rules that map names, and the match with the tensors of a program.

files/    files of named tensors
rules.py  `weights: {map: …}`
match.py  every tensor of a program finds its tensor in the file
"""
