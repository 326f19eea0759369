"""What every stage speaks in: diagnostics with source spans, tensor types and symbolic dims, versions.

diagnostics.py  spans, diagnostics, the collector of a stage, SpecError
types.py        dims as polynomials, tensor types, dim contracts
suggestions.py  near names for "did you mean"
confusables.py  characters that look like ASCII and are not
progress.py     the stages of a build by name, and how a command reports its progress
archives.py     zip archives that unpack to more than their own size
versions.py     the versions of stackc and of the libraries it runs on
"""
