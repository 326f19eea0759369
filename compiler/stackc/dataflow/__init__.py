"""Program → what holds of it along one axis, followed from the inputs by data flow, port by port.

follow.py  one axis, from inputs to every value; `Component.along` says what each component does to it
batch_axis.py  which axis is that of the batch, and what joins batches along it
batch.py   whether the examples of a batch are independent, whether requests may be joined
private_examples.py   whether a model can be trained with `privacy`
step.py    a sequence axis: whether the model can run on new entries alone, and what it keeps
"""
