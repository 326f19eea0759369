"""The values between stages, and nothing else.

model.py    Graph: regions of wired nodes
typed.py    TypedGraph: the same regions with the type of every value
program.py  Program: one call a component, flat, in running order
"""
