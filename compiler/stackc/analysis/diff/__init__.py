"""The differences between two specs.

matching.py      which node of one region corresponds to which of another
alterations.py   what differs between two corresponding nodes
declarations.py  what differs in inputs, outputs, dims and weights
training.py      what differs in training, and in what is asserted
measured.py      latency and error of two artifacts
changes.py       one difference as data
comparison.py    compare two typed graphs, region by region
report.py        differences as text, Markdown and an HTML page
"""
