"""Custom modules: a user's own torch.nn.Module classes as components.

module.py           the component of a class: ports and fields from its signatures
symbolic.py         its signature, by running it on tensors with symbolic sizes
frozen_sizes.py     operators in it that would be exported for one size
trusted_imports.py  which modules its code may import
foreign_errors.py   errors that its code raises, in one line
"""
