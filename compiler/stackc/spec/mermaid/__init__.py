"""Mermaid flowchart text → `Drawing`.

mermaid_reader.py   the grammar, statement by statement
mermaid_source.py   preprocessing: comments, directives and HTML, as Mermaid does it
tokens.py           the regular expressions of the grammar, and the tokenizer
labels.py           labels in brackets, and properties in `@{…}`
links.py            links with their ids and texts
unreadable.py       what is wrong where no rule of the grammar matches
shapes.py           the shapes of nodes
drawing_builder.py  collects nodes, arrows and groups into the drawing
"""
