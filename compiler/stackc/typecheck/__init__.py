"""Graph → TypedGraph → Program: the type of every value, costs, value ranges and output names.

infer.py         types and parameters, region by region
flatten.py       the typed graph as a flat program
cost.py          parameters and FLOPs
ranges.py        the integers that an input may hold
output_names.py  names that two values of the ONNX model would share
"""
