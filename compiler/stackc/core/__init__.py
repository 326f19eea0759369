"""What every stage uses: diagnostics with source spans, tensor types and symbolic dims, versions.

diagnostics.py  spans, diagnostics, the collector of a stage, SpecError, rendering
types.py        dims as polynomials, tensor types, dim contracts
value_range.py  what an input may hold
entering_size.py  the size of an axis of what enters a component, in an expression
suggestions.py  near names for "did you mean"
confusables.py  characters that look like ASCII but are not
name_patterns.py  patterns of the names of parameters
plurals.py      counts with their noun in the right number
interrupts.py   interrupts that wait for the end of an import
progress.py     the stages of a build by name, and the callback that reports progress
public_types.py  the types of `import stackc`, imported when they are asked for
torch_threads.py  the number of PyTorch's threads, set for a while
torch_internals.py  the private and experimental APIs of PyTorch, in one place
special_files.py  pipes, sockets and devices where a file is expected
arguments.py    sizes and values of params, as the Python API takes them
archives.py     zip archives that unpack to more than their own size
versions.py     the versions of stackc and of the libraries it runs on
"""
