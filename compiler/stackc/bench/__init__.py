"""Speed: candidates timed in turns, in this process or each in one of its own, and what is told of them.

timing.py      what a timing says: percentiles, ratios, their intervals
turns.py       the turns: warming up, rounds, what other programs did meanwhile
candidates.py  a module and a session as candidates of this process
job.py         what a process is asked to time, and what it answers
workers.py     those processes, as their parent sees them
worker.py      such a process, from within; engines.py is what it can open, stopwatch.py how it times a run
agreement.py   whether candidates that are compared calculate the same
plot.py        all runs in one picture
"""

from stackc.bench.candidates import eager_candidate, session_candidate
from stackc.bench.timing import Comparison, Ratio, Sitting, Timing, compare
from stackc.bench.turns import Candidate, measure, take_turns

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
