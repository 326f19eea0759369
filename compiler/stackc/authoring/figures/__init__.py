"""Figures as people draw them, read as far as they are clear.

labels.py    what a label says: operations with their numbers, the shape of a value, or a name
decisions.py which op a node is, if only one fits its words, its numbers and its arrows
rewrites.py  labels of arrows that name operations become nodes, other labels go
sizes.py     which convolutions and pools have to keep sizes, since their values meet others
figure.py    all of it together: a drawing with what is certain about its nodes
entries.py   the entry of each node, its params and its block
"""
