"""ONNX Runtime, and nothing else of the project knows it: sessions, providers, placement, and what a model is fed with.

onnxruntime is imported when the first session is opened, not with this package.
"""

from stackc.runtime.feeds import Array, Feeds, ValueInfo, check_feeds
from stackc.runtime.npz import read_npz, write_npz
from stackc.runtime.providers import PROVIDERS, Provider
from stackc.runtime.session import Placement, Session, evaluate, open_session, placement, strays

__all__ = [
    "PROVIDERS",
    "Array",
    "Feeds",
    "Placement",
    "Provider",
    "Session",
    "ValueInfo",
    "check_feeds",
    "evaluate",
    "open_session",
    "placement",
    "read_npz",
    "strays",
    "write_npz",
]
