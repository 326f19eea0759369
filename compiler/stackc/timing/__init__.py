"""Measure the speed of candidates that run in turns.

candidates.py   a module and a session as candidates
interleave.py   warm-up and rounds
statistics.py   percentiles, ratios and their intervals
system_load.py  how many cores other programs kept busy
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
