"""Files of a lower precision than float32: made by ONNX Runtime's quantizers, held to a budget of error.

The float32 file is proven as always. What is made of it is no longer the same function: how far it may be off is for
the user to say, and is measured on points of the dims contract and on data.

formats.py         the formats that weights can have
weighted_nodes.py  the nodes of a file that have a constant matrix, by the name of that matrix
assignment.py      which weight gets which format, and patterns of names
reduce_file.py     a file with its weights in other formats, every node stamped again
request.py         what a build is asked for
tuned.py           what a search for the fastest format has found
figures.py         how far outputs are off: distance, cosine, choices
user_data.py       the user's inputs in batches that the contract allows
budget_proof.py    a reduced file against its module, by output and by component
blame.py           a budget that is exceeded, reported at components, with what to keep in float32
quantize.py        all of it for one file: the stage of a build
"""
