"""`stackc train`: from a spec with `train:` and files of examples to weights in runs/NAME/.

loop.py          the loop: epochs, steps, evaluation, checkpoints
run.py           one run: its model, its state, its data, its folder
sweep.py         variants of a spec, trained and compared
prepare.py       what a run needs of a checked spec
interrupt.py     Ctrl-C
step.py          one update: losses, gradients, clipping
optimizer.py     the optimizer of torch.optim, and the learning rate at each step
private_run.py   `privacy`: the noise for a budget, the draws of examples, what is spent
per_example.py   the gradient of each example, and an update of them with noise
examples.py      files of examples, in batches that are held to the inputs of the spec
data/            columns of files of every kind, and what inputs are made from them
average.py       what is evaluated: means over all examples, the average of weights
checkpoint.py    checkpoints, written whole or not at all
history.py       the folder of a run, and the JSON lines of its history
recalibrate.py   statistics of batch_norm for the weights that are kept
run_page.py      report.html: the curves beside the drawing
watch_components.py   norms of activations and gradients by component
tensorboard.py   files of TensorBoard
nonfinite.py     the component where NaN or Inf arose
ranks.py         the processes that train together, and what they tell each other
parallel.py      a model on several of them: DDP, FSDP2, and what they refuse
step_memory.py   the memory of a step, without running it
train_plan.py    `stackc plan --train`: the memory of each rank, the largest batch
assertions.py    what a spec asserts of its losses and metrics, held against the ONNX file
evaluation.py    `stackc evaluate`: losses and metrics of the ONNX file beside PyTorch's
"""

from stackc.training.loop import Trained, TrainOptions, train_model

__all__ = ["TrainOptions", "Trained", "train_model"]
