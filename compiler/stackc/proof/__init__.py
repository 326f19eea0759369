"""Parity: the ONNX file is run against the eager PyTorch module, in float32 and in float64.

points.py              sizes of the dims to prove at, and the inputs drawn there
value_draws.py         the values of inputs: within their ranges, at their ends, and beyond where none is declared
sizes.py               how large each dim is to be proven, and which sizes fit in a budget together
eager.py               the reference: the module run eagerly, with every value that its components compute
eager_mode.py          dispatch modes that load no compiler of PyTorch
promotion.py           float64 for custom code that names float32
stamped_model.py       the ONNX file taken apart by the stamps of its nodes
component_subgraph.py  the nodes of one component, run on their own and judged
components.py          every component proven on its own
component_batch.py     many components in one run, each still on its own
file_tensors.py        every tensor of the file against the parameters it comes from
weight_subgraphs.py    what is calculated from parameters alone, calculated anew
jittered_parameters.py the model with other numbers in its constant parameters
sections.py            the file cut at discrete choices, such as an argmax
dependence.py          along which dims a component depends on positions
structure.py           the nodes of a call as a key, to find calls with the same nodes
probes.py              the components to prove beyond the sizes that whole passes reach, within a budget
size_proof.py          each dim proven up to its largest size: the probes, run and judged
coverage.py            up to which size each dim is proven, as data and text
shapes.py              names, types and shapes of the file against those of the program
jitter.py              how far the truth moves with the roundings of float32, by Monte Carlo arithmetic
tolerance.py           how far an output may be from the truth
reference_vectors.py   the module against numbers recorded from the original
parity.py              the proof: all of these in order
step_proof.py          a decoding step, run in pieces, against the whole model
report.py              what a proof found, as data
undefined.py           NaN and Inf of the truth itself, at the components from which they come
failing_inputs.py      sizes and whole numbers that a module fails on, and what keeps them out
advice.py              what to do about each kind of failure
blame.py               a failed proof, reported at the component that introduces the error
"""
