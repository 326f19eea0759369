"""Files of named tensors, read one tensor at a time: safetensors, in shards too, NumPy's .npz, and what PyTorch saves.

Nothing here imports torch but for files that PyTorch wrote, and nothing in a file is ever run.
"""

from stackc.weights.files.base import Array, TensorFile
from stackc.weights.files.opening import KINDS, open_weights

__all__ = ["KINDS", "Array", "TensorFile", "open_weights"]
