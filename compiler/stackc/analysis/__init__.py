"""Analyses of a typed graph.

plan/  `stackc plan`: parameters, FLOPs, memory, and the sizes that fit
diff/  `stackc diff`: the differences between two specs
"""
