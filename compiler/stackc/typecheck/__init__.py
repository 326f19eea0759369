"""Graph → TypedGraph → Program: the type of every value, costs, value ranges and names of outputs.

infer.py           types and signatures, region by region
empty_axes.py      axes that may be empty, of components that need an entry
cast_help.py       the `cast` that is enough where element types do not fit
contract_help.py   what to declare under `dims:` where sizes do not fit
parameters.py      tied, shared and reparametrized parameters
flatten.py         the typed graph as a flat program
cost.py            parameters and FLOPs
declared_ranges.py the range that a spec declares for an input
ranges.py          value ranges of inputs: declared, of tables, assumed
output_names.py    outputs that share a name with an input or parameter
"""
