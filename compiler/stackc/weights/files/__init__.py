"""Files of named tensors, read one tensor at a time. Nothing here imports torch unless PyTorch wrote the file, and
nothing in a file is ever run.

base.py              what every format offers, and how read errors become diagnostics
opening.py           choose the format by the suffix; folders
several.py           several files as one
safetensors_file.py  safetensors
writing.py           write a .safetensors file
labelled.py          files of several parts of a model as one
renamed.py           a file under other names: without a prefix, or PyTorch's for TensorFlow's
shards.py            several files with an index, as Hugging Face writes them
npz_file.py          NumPy's .npz
torch_file.py        what torch.save writes
onnx_file.py         initializers of an ONNX model
gguf_file.py         GGUF, dequantized
"""

from stackc.weights.files.base import Array, TensorFile
from stackc.weights.files.opening import KINDS, Paths, describe_paths, open_weights

__all__ = ["KINDS", "Array", "Paths", "TensorFile", "describe_paths", "open_weights"]
