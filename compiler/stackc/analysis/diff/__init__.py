"""What differs between two specs.

matching.py      which node of one is which of the other
alterations.py   what is another in two nodes that are one and the same
declarations.py  the same of inputs, outputs, dims and weights
changes.py       a change, in words
comparison.py    all of it, region by region
report.py        as text, Markdown, JSON, and a page
"""
