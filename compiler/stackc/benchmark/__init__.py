"""`stackc bench`: targets (specs, artifacts, ONNX files) timed against each other, every candidate in its own process.

contenders.py  what takes part: targets × engines × providers × threads, by its name
targets.py     a target, read, and built where it is a spec
inputs.py      the inputs that all of them are given
contest.py     every stage in order
result.py      what came of it
"""

from stackc.benchmark.candidates import Contender, Plan, is_model_file, make_plan
from stackc.benchmark.result import Entry, Result
from stackc.benchmark.run_benchmark import Options, contest
from stackc.benchmark.targets import is_spec

__all__ = ["Contender", "Entry", "Options", "Plan", "Result", "contest", "is_model_file", "is_spec", "make_plan"]
