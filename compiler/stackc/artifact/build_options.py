"""The options of a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stackc.frontend import Overrides
from stackc.precision.request import Quantization, Tuning
from stackc.weights.files import Paths


@dataclass(frozen=True)
class Options:
    """The options of a build.

    overrides         values of params, sizes of dims, trusted Python modules
    weights           a file or folder of tensors, or several; by default those of the spec, or else random ones
    out               the folder that NAME/ is written to: `exported` by default
    seed              for random weights and for the inputs of the proof
    opset, target     the ONNX opset, and whether operators of ONNX Runtime may be used ("ort") or not ("portable")
    functions         keep blocks and stacks as ONNX functions
    provider          the execution provider that the model is proven on; `require_provider` if every node has to be
    verify, measure   prove the model, and compare its speed with eager PyTorch; without a proof nothing is run
    threads           of ONNX Runtime and PyTorch; by default all cores
    cache             keep compiled components for later builds
    per_component     prove every component at all points, not at one
    reference         an .npz of numbers recorded from the original, which the module has to compute
    thorough          prove larger sizes: whatever fits in half of this machine's memory, however long it takes
    asserts           hold the file to what the spec asserts of its figures
    quantize          the format of weights other than float32, and its budget; None for float32
    asserted          more of that by name, `p50_ms<=30`, in the place of what the spec asserts under the same name
    tune              search the format that is fastest within its budget; None to search nothing
    first_failure     end the proof at the first draw that fails: enough to reduce a spec
    """

    overrides: Overrides = field(default_factory=Overrides)
    weights: Paths | None = None
    out: Path | None = None
    seed: int = 0
    opset: int = 23
    target: str = "portable"
    functions: bool = False
    provider: str = "auto"
    require_provider: bool = False
    verify: bool = True
    measure: bool = True
    threads: int | None = None
    cache: bool = True
    per_component: bool = False
    reference: Path | None = None
    thorough: bool = False
    asserts: bool = True
    quantize: Quantization | None = None
    asserted: Mapping[str, str] = field(default_factory=dict)
    tune: Tuning | None = None
    first_failure: bool = False
