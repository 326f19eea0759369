"""`stackc reduce`: the smallest spec that still fails, by delta debugging.

minimize    reduce_spec: all passes in order, until none of them makes the spec smaller
ddmin       the generic algorithm (Zeller and Hildebrandt 2002): the smallest part of a list that still fails
tree        SpecTree: a resolved spec as plain data, without params, stacks and places
write       SpecTree → YAML
structure   smaller trees: blocks inlined, nodes cut or bypassed, inputs merged, outputs dropped
sizes       smaller trees: dims fixed, numbers shrunk, fields left out
raw         specs that do not check: keys and lines of the text
oracle      what failing means: the same diagnostic about the same component, the same crash, or a command
"""
