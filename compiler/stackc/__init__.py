"""stackc: a compiler for neural-network graphs. The drawing is the source; a proven ONNX model is the result."""

__version__ = "0.1.0"
