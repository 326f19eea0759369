"""ONNX Runtime, and nothing else of the project knows it: sessions, providers, placement, and what a model is fed with.

onnxruntime is imported when the first session is opened, not with this package.
"""

from stackc.runtime.feeds import Array, Feeds, ValueInfo, check_feeds
from stackc.runtime.npz import read_npz, write_npz
from stackc.runtime.placement import Placement, off_provider_lines, off_provider_nodes, placement, require_placed
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
    "off_provider_lines",
    "off_provider_nodes",
    "open_session",
    "placement",
    "read_npz",
    "require_placed",
    "run_once",
    "write_npz",
]
