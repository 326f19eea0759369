"""The ONNX file held against the eager module: points, draws, tolerance, parity."""
