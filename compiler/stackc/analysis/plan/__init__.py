"""Parameters, FLOPs and memory of a model, and the sizes that fit in a memory.

footprint.py  the footprint of a region, with open sizes as symbols
fit.py        peak memory, and the largest sizes that fit
planning.py   the plan: footprints block by block, totals, peaks, sizes
"""
