"""Speed of candidates that run in this process, in turns.

statistics.py   percentiles, ratios and their intervals
interleave.py   warm-up, rounds, the load of other programs
candidates.py   a module and a session as candidates
system_load.py  how busy other programs keep the machine
"""

from stackc.timing.candidates import eager_candidate, session_candidate
from stackc.timing.interleave import Candidate, interleave, measure
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
    "session_candidate",
]
