"""Text → Document. The language has two equivalent syntaxes, YAML and Mermaid.

reader.py      either syntax → Document, with every problem of the text reported together
front_matter.py  the keys at the top of a Mermaid file
source.py      loading the text of a spec, and checking that it is text
document.py    a spec as data
drawing.py     the drawing in it as data
params.py      declarations of params
input_key.py   declarations of inputs
weights_key.py the key `weights`
assert_key.py  the key `assert`
budget_key.py  the key `budget`
decode_key.py  the key `decode`
huggingface_key.py  the key `huggingface`
binary_kinds.py  models, weights and pictures that are given in place of a spec
characters.py  characters that no text of a spec may have, raw or escaped
names.py       which names nodes, inputs, blocks, params and dims may have
markdown.py    specs and drawings inside of Markdown files
includes.py    files that a spec includes
writer.py      conversion between the two syntaxes
yaml/          YAML text → values with spans
mermaid/       Mermaid flowchart → Drawing
expressions/   expressions over params and dims
"""
