"""Expressions over params and dims: `4*dim`, `dim // heads`, `${norm}`.

expressions.py  parsing and evaluation
arithmetic.py   the operations, on numbers and on symbolic dims
hints.py        syntax of other languages, and what to write instead
"""
