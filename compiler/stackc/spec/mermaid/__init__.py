"""Mermaid flowchart text → drawing.

mermaid_reader.py  the grammar, statement by statement
tokens.py          characters → tokens
labels.py          texts in brackets and quotes
links.py           arrows, with their labels
shapes.py          the shapes of nodes
sketch.py          what has been read so far becomes a drawing
mermaid_source.py  front matter, and which `.mmd` files are specs
"""
