"""Speed of candidates that run in this process, in turns.

statistics.py   percentiles, ratios and their intervals
interleave.py   warm-up, rounds, the load of other programs
candidates.py   a module and a session as candidates
system_load.py  how busy other programs keep the machine
"""

from stackc.timing.candidates import eager_candidate, session_candidate
from stackc.timing.interleave import Candidate, measure, take_turns
from stackc.timing.statistics import Comparison, Ratio, Sitting, Timing, compare

__all__ = [
    "Candidate",
    "Comparison",
    "Ratio",
    "Sitting",
    "Timing",
    "compare",
    "eager_candidate",
    "measure",
    "session_candidate",
    "take_turns",
]
