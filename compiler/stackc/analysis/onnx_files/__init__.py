"""ONNX files of any origin: what is in them, what differs between two, and whether one computes what an artifact does.

outline.py     a file as data: interface, tensors, operators by scopes; external data is not read
tree.py        an outline as text, equal scopes folded
difference.py  what differs between two outlines
against.py     a file run beside an artifact, output by output and component by component
"""
