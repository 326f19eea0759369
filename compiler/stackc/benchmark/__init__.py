"""`stackc bench`: time targets (specs, artifacts, ONNX files) against each other, each candidate in its own process.

run_benchmark.py  all stages, in order
candidates.py     who takes part: targets × engines × providers × threads
targets.py        a target, read, and built if it is a spec
inputs.py         the inputs that all candidates get
repetitions.py    every candidate opened, timed in turns with the others, and closed
equality.py       which candidates must have equal outputs
agreement.py      by how much outputs differ
workers.py        a candidate's process, as its parent sees it
worker.py         the process itself
job.py            the messages between both
engines.py        what a process can time: PyTorch, ONNX Runtime, OpenVINO
stopwatch.py      wall clock and CUDA events
memory.py         memory of a process, and its peak
asserted_speed.py  the files held to bounds of their speed
result.py         figures, for tables and JSON
plot.py           all runs in one picture
"""

from stackc.benchmark.candidates import BenchmarkCandidate, BenchmarkPlan, plan_benchmark
from stackc.benchmark.result import BenchmarkEntry, Result
from stackc.benchmark.run_benchmark import BenchmarkOptions, run_benchmark
from stackc.benchmark.targets import is_spec_target

__all__ = [
    "BenchmarkCandidate",
    "BenchmarkEntry",
    "BenchmarkOptions",
    "BenchmarkPlan",
    "Result",
    "is_spec_target",
    "plan_benchmark",
    "run_benchmark",
]
