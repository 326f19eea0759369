"""Run ONNX models: the only home of onnxruntime and OpenVINO, which are imported on first use, not with this package.

feeds.py                   inputs of a model, and whether arrays fit them
npz.py                     arrays by name in .npz files
libraries.py               shared libraries that an ELF file needs, and whether they can be loaded
onnxruntime_internals.py   onnxruntime, and its undocumented APIs
providers.py               which execution provider opens, and why another one does not
session.py                 a model opened on a provider
profile.py                 the time of each node of a session
placement.py               the nodes that are not on the provider that was asked for
quantizers.py              onnxruntime.quantization, over chosen nodes of a model
compatibility.py           the first release of ONNX Runtime that runs a file
openvino.py                OpenVINO, for `stackc bench`
"""

from stackc.runtime.feeds import Array, Feeds, ValueInfo, check_feeds
from stackc.runtime.npz import read_npz, write_npz
from stackc.runtime.placement import (
    Placement,
    describe_session,
    off_provider_lines,
    off_provider_nodes,
    placement,
    require_placed,
)
from stackc.runtime.providers import PROVIDERS, Provider
from stackc.runtime.session import Session, open_session, run_once

__all__ = [
    "PROVIDERS",
    "Array",
    "Feeds",
    "Placement",
    "Provider",
    "Session",
    "ValueInfo",
    "check_feeds",
    "describe_session",
    "off_provider_lines",
    "off_provider_nodes",
    "open_session",
    "placement",
    "read_npz",
    "require_placed",
    "run_once",
    "write_npz",
]
