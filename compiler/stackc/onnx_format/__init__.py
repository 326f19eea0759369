"""The ONNX format itself: nodes, values, files and their validity, for any model, whoever wrote it.

nodes.py     what a node reads, subgraphs included, and a node over other names
values.py    declarations of values: made of types and names, and read
files.py     models read from a file without their data, which must lie in the file's folder
identity.py  metadata that tell a file apart, with a digest of its bytes
checker.py   the validity of a written file
"""
