"""Expressions over params and dims: `4*dim`, `dim // heads`, `${norm}`.

expressions.py  parsing and evaluation
arithmetic.py   the operations, on numbers and on symbolic dims
hints.py        what was probably meant in another language
"""
