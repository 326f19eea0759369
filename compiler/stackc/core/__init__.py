"""What every stage speaks in: diagnostics with source spans, tensor types and symbolic dims, versions.

diagnostics.py  spans, diagnostics, the collector of a stage, SpecError
types.py        dims as polynomials, tensor types, dim contracts
suggestions.py  near names for "did you mean"
confusables.py  characters that look like ASCII and are not
torch_internals.py  the private and experimental APIs of PyTorch, in one place
versions.py     the versions of stackc and of the libraries it runs on
"""
