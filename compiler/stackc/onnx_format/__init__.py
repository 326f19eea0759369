"""The ONNX format: nodes, files with external data, the checker. It knows nothing of specs."""
