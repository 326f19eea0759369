"""Typed graph → PyTorch source: what `lower` runs, and what `show --as torch` prints."""
