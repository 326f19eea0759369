"""The values between stages, and nothing else.

model.py             Graph: regions of nodes, each operand at its port
typed.py             TypedGraph: the same regions with the type of every value
program.py           Program: one call per component, flat, in running order
printer.py           all three as text
document_printer.py  a Document as text, if it cannot be resolved
text.py              what the printers share: names, literals, spans
"""
