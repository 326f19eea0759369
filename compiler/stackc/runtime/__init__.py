"""ONNX Runtime, and nothing else of the project knows it: sessions, providers, placement, and what a model is fed with.

onnxruntime is imported when the first session is opened, not with this package.
"""

from stackc.runtime.feeds import Array, Feeds, ValueInfo, check_feeds
from stackc.runtime.npz import read_npz, write_npz
from stackc.runtime.placement import Placement, elsewhere, placement, require_placed, strays
from stackc.runtime.providers import PROVIDERS, Provider
from stackc.runtime.session import Session, evaluate, open_session

__all__ = [
    "PROVIDERS",
    "Array",
    "Feeds",
    "Placement",
    "Provider",
    "Session",
    "ValueInfo",
    "check_feeds",
    "elsewhere",
    "evaluate",
    "open_session",
    "placement",
    "read_npz",
    "require_placed",
    "strays",
    "write_npz",
]
