"""Analyses of a typed graph, and of ONNX files.

plan/  `stackc plan`: parameters, FLOPs, memory, and the sizes that fit
diff/  `stackc diff`: the differences between two specs
onnx_files/  ONNX files of any origin: shown, compared, run beside an artifact
"""
