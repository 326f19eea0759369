"""Objects go to bytes and back, and are linked without PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest

from stackc.components.families.attention import Attention
from stackc.components.families.linear import Linear
from stackc.components.families.merge import Identity
from stackc.components.reparam import Standardize
from stackc.core.diagnostics import Span
from stackc.export.compile import compile_units
from stackc.export.objects import Object
from stackc.export.units import Unit


@pytest.mark.slow
def test_to_bytes_and_back(typed: Any, probe: Any) -> None:
    x = typed("d0", "d1", 32)
    units = [
        Unit(Attention(heads=4), (), (x, None, typed("d0", "d1", dtype="int64")), 23),
        Unit(Linear(out=16), (("weight", Standardize()),), (x,), 23),
        Unit(Identity(), (), (x,), 23),
        Unit(probe(lambda a: a * 2 if a.shape[1] > 20 else a, x), (), (x,), 23),
    ]
    for compiled in compile_units(dict.fromkeys(units, Span("", 1))).values():
        again = Object.from_bytes(compiled.to_bytes())
        assert again.to_bytes() == compiled.to_bytes()
        assert (again.outputs, again.subgraphs, again.constraints, again.opset) == (
            compiled.outputs, compiled.subgraphs, compiled.constraints, compiled.opset,
        )  # fmt: skip


def test_bytes_of_something_else() -> None:
    with pytest.raises(ValueError, match="not an object of this version of stackc: 'pytorch'"):
        Object.from_bytes(onnx.ModelProto(producer_name="pytorch").SerializeToString())


@pytest.mark.slow
def test_linking_stored_objects_imports_no_torch(tmp_path: Path, typed: Any) -> None:
    x = typed("d0", 4)
    (linear,) = compile_units({Unit(Linear(out=4), (), (x,), 23): Span("", 1)}).values()
    (tmp_path / "object").write_bytes(linear.to_bytes())

    code = """
import sys
from pathlib import Path
import numpy as np
from stackc.components.families.linear import Linear
from stackc.core.diagnostics import Span
from stackc.export.compile import compile_units
from stackc.export.link import link
from stackc.export.objects import Object
from stackc.export.units import units_of
from stackc.export.write import write
from stackc.ir.program import Call, Program
from stackc.core.types import Dim, TensorType, shape
x, component = TensorType("float32", shape(Dim.symbol("batch"), 4)), Linear(out=4)
names = {"weight": "a.weight", "bias": "a.bias"}
call = Call("a", component, (), ("x",), ("a",), component.signature(x), names, {}, Span("spec.yaml", 1), "a")
program = Program("model", {"x": x}, (call,), {"y": "a"}, {"x": x, "a": x}, {})
units = units_of(program, 23)
assert compile_units({}) == {}
folder = Path(sys.argv[1])
objects = {units[0]: Object.from_bytes((folder / "object").read_bytes())}
weights = {"a.weight": np.eye(4, dtype="float32"), "a.bias": np.zeros(4, dtype="float32")}
write(link(program, units, objects, opset=23), weights, folder, inline=True)
assert not {"torch", "onnxruntime", "onnxscript", "onnx_ir"} & sys.modules.keys(), "imported"
"""

    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert [node.op_type for node in onnx.load(str(tmp_path / "model.onnx")).graph.node] == ["Gemm"]
