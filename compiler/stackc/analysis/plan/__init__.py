"""What a model takes: parameters, FLOPs and memory, and what of it fits.

needs.py     of one region, at sizes that are symbols
planning.py  block by block, with totals and peaks
fit.py       the largest sizes that a memory holds
"""
