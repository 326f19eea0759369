"""Artifacts into what people run: `stackc deploy`.

kinds.py          the kinds of deployments, by name
fresh_folder.py   write a folder that does not exist yet, completely or not at all
plain_names.py    the name of a deployment, from the name of a spec
batching.py       whether requests may be joined along the batch axis, and how
package.py        a wheel with the model, which needs ONNX Runtime and NumPy alone
standalone.py     the `run` of that wheel
openvino_ir.py    OpenVINO's files, held to the recorded outputs
triton.py         a model repository for Triton
triton_config.py  its config.pbtxt
"""
