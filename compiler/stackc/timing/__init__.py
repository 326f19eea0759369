"""Measure the speed of candidates that run in turns.

beside_eager.py     a model and its eager module, at one point
candidates.py       a module and a session as candidates
interleave.py       warm-up and rounds
rest.py             a wait until threads no longer spin
statistics.py       percentiles, ratios and their intervals
system_load.py      how many cores other programs kept busy
component_times.py  the time of each component, from a profile
fused_nodes.py      the components that a node of the optimized graph belongs to
matrix_product.py   what the processor reaches in a matrix product
speed_assertions.py bounds of times, of the ratio to eager PyTorch, of nodes on the CPU
time_table.py       component times as text
"""

from stackc.timing.candidates import eager_candidate, session_candidate
from stackc.timing.interleave import Candidate, interleave, measure, measure_briefly
from stackc.timing.rest import wait_for_rest
from stackc.timing.statistics import Comparison, Ratio, Repetition, Timing, compare_candidates

__all__ = [
    "Candidate",
    "Comparison",
    "Ratio",
    "Repetition",
    "Timing",
    "compare_candidates",
    "eager_candidate",
    "interleave",
    "measure",
    "measure_briefly",
    "session_candidate",
    "wait_for_rest",
]
