"""YAML text → a tree of values with spans, and typed access to it.

yaml_reader.py    text → tree, without YAML's surprises
yaml_lines.py     the lines of the text, and the spans of what the parser marks
yaml_mistakes.py  common mistakes in plain words, with a hint
colons.py         missing and misplaced colons
tree.py           mappings, lists and scalars with their spans
getters.py        typed access that names the path of a value in every error
keys.py           the text of the outermost keys, to add or remove one
"""
