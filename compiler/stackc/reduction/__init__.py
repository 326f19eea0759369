"""`stackc reduce`: the smallest spec that still fails, by delta debugging.

minimize       reduce_spec: how the spec fails, and a start that fails like it
search         all passes in order, from a start until none of them makes the spec smaller
ddmin          the generic algorithm (Zeller and Hildebrandt 2002): the smallest part of a list that still fails
tree           SpecTree: a spec as plain data, without spans
tree_types     the types of a tree's values, or as many as there are before the checker fails
write          SpecTree → YAML
inline         smaller trees: calls of blocks replaced by the nodes inside
structure      smaller trees: nodes cut or bypassed, inputs merged, outputs dropped
sizes          smaller trees: dims fixed, numbers shrunk, fields left out
raw            texts of which no tree can be had: lines and words
oracle         what failing means: the same diagnostic about the same component, the same crash, or a command
weight_source  the tensors of the original file under the names and sizes of a candidate
recorded       what an artifact records of the options that it was built with
repeat         the command that shows the failure again
"""
