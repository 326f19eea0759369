"""Typed program → ONNX model: compile each distinct component once, then link.

In the order of a build:

pipeline.py         the stage from end to end: `link_program`, then, separately, `write_model`
units.py            1. calls → units: which components are distinct
compile_cached.py   2. units → objects, out of the cache (keys: cache_key.py), or by
compile.py             all units in one export, and if one fails, one at a time
batch.py            3. units → one ONNX graph, by one call of torch.onnx.export
  prepare.py           a unit as PyTorch traces it: module, state, inputs
  example_sizes.py     the sizes it is traced at
  translations.py      ONNX for operators that the exporter's own translation loses digits of
  guards.py            the sizes that a trace is valid for, as constraints
  shape_sources.py     one source for each size that several inputs share
split.py            4. that graph → one object for each unit
objects.py             the object: nodes over local names, weight subgraphs, constraints
link.py             5. program + objects → one graph under the program's names
  constraints.py       whether the dims contract implies the constraints of the objects
  storage.py           which form of each weight is stored
  value_aliases.py     which values of the program are one value of the graph
  template.py          an object prepared to be instantiated many times
functions.py        6. with `--functions`: blocks as ONNX local functions, and back
write.py            7. graph + weights → files
  weight_folding.py    runs the weight subgraphs
"""

from stackc.export.pipeline import ExportedModel, LinkedProgram, link_program, write_model

__all__ = ["ExportedModel", "LinkedProgram", "link_program", "write_model"]
