"""The values between stages, their text, and what makes them legal.

model.py             Graph: regions of nodes, each operand at its port
typed.py             TypedGraph: the same regions with the type of every value
program.py           Program: one call per component, flat, in running order
training.py          Training: what `train:` says
budget.py            how much error a file of lower precision may have
decoding.py          Decoding: the step of a model that generates
assertions.py        what a spec asserts of figures, and what a build has measured of them
optimizers.py        optimizers and schedules as a spec writes them
ranks.py             the ranks of a training, and what is asked of a plan for them

printer.py           all three as text
document_printer.py  a Document as text, for a spec that cannot be resolved
text.py              what the printers share: names, literals, spans

verifier.py          checks that a value is legal
graph_rules.py       the rules of a Graph
typed_rules.py       the rules of a TypedGraph
program_rules.py     the rules of a Program
violations.py        IRError and the violations that it lists
"""
