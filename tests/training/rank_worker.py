"""What torchrun starts twice in test_ranks.py: every run of a list, one after the other, in one group of processes."""

from __future__ import annotations

import sys
from pathlib import Path

from torch import distributed

import stackc
from stackc.training.loop import TrainOptions

if __name__ == "__main__":
    distributed.init_process_group("gloo")
    for argument in sys.argv[1:]:
        spec, folder, *flags = argument.split(",")
        stackc.train(spec, TrainOptions(out=Path(folder), shard="shard" in flags, resume="resume" in flags))
    distributed.destroy_process_group()
