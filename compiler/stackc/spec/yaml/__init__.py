"""YAML text → a tree of values with spans, and typed access to it.

yaml_reader.py  the text, with the traps of YAML closed
tree.py         mappings, lists and scalars with their spans
getters.py      typed access that names the path in every error
keys.py         unknown and misspelled keys
colons.py       missing and misplaced colons
"""
