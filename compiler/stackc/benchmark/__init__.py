"""`stackc bench`: targets (specs, artifacts, ONNX files) timed against each other, every candidate in its own process.

contenders.py  what takes part: targets × engines × providers × threads, by its name
targets.py     a target, read, and built where it is a spec
inputs.py      the inputs that all of them are given
contest.py     every stage in order
result.py      what came of it
"""

from stackc.benchmark.candidates import BenchmarkCandidate, BenchmarkPlan, is_model_file, plan_benchmark
from stackc.benchmark.result import BenchmarkEntry, Result
from stackc.benchmark.run_benchmark import BenchmarkOptions, run_benchmark
from stackc.benchmark.targets import is_spec_target

__all__ = [
    "BenchmarkCandidate",
    "BenchmarkEntry",
    "BenchmarkOptions",
    "BenchmarkPlan",
    "Result",
    "is_model_file",
    "is_spec_target",
    "plan_benchmark",
    "run_benchmark",
]
