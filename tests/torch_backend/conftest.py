"""Printed files, run in a process that has no stackc."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stackc.core.torch_threads import torch_threads
from stackc.frontend import Checked
from stackc.torch_backend.lower import lower
from stackc.torch_backend.torch_file import write_torch

RUN = """
import importlib.util, pathlib, sys
import torch

torch.set_num_threads(1)

class RefuseStackc:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "stackc":
            raise ImportError("a printed file needs no stackc")

sys.meta_path.insert(0, RefuseStackc())
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.py")):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    *_, model = (value for value in vars(module).values() if getattr(value, "__module__", None) == path.stem)
    saved = torch.load(path.with_suffix(".saved"))
    printed = model().eval()
    printed.load_state_dict(saved["state"], strict=True)
    assert list(printed.state_dict()) == list(saved["state"])
    with torch.no_grad():
        outputs = printed(*saved["inputs"])
    torch.save(outputs if isinstance(outputs, tuple) else (outputs,), path.with_suffix(".outputs"))
"""


Pairs = dict[str, list[tuple[Tensor, Tensor]]]
Compare = Callable[[Mapping[str, Checked], Path], Pairs]


@pytest.fixture(scope="session")
def compare() -> Compare:
    """Return the outputs of each model twice, of its printed file and of its lowered module."""
    return _compare


def _compare(models: Mapping[str, Checked], folder: Path) -> Pairs:
    expected = {}
    for name, checked in models.items():
        (folder / f"{name}.py").write_text(write_torch(checked.typed), encoding="utf-8")
        torch.manual_seed(0)
        module = lower(checked.typed).eval()
        with torch.no_grad():
            for parameter in module.parameters():  # biases start as zeros
                parameter.add_(torch.randn_like(parameter), alpha=0.05)

        inputs = _inputs(checked)
        torch.save({"state": module.state_dict(), "inputs": inputs}, folder / f"{name}.saved")
        outputs = _on_one_thread(module, inputs)
        expected[name] = outputs if isinstance(outputs, tuple) else (outputs,)

    done = subprocess.run([sys.executable, "-W", "error", "-c", RUN, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = {name: torch.load(folder / f"{name}.outputs") for name in models}
    return {name: list(zip(printed[name], expected[name], strict=True)) for name in models}


def _on_one_thread(module: torch.nn.Module, inputs: list[Tensor]) -> Tensor | tuple[Tensor, ...]:
    """Run a module as the printed file is run: sums take another order with another number of threads."""
    with torch_threads(1), torch.no_grad():
        outputs: Tensor | tuple[Tensor, ...] = module(*inputs)
    return outputs


def _inputs(checked: Checked) -> list[Tensor]:
    """Return random inputs at small sizes that the contract allows."""
    contract = checked.typed.graph.contract
    sizes = {name: size.least * (1 if size.least > 3 else 4) for name, size in contract.items()}
    sizes = {name: min(n, contract[name].maximum or n) for name, n in sizes.items()}
    inputs = []
    for name, type_ in checked.program.inputs.items():
        shape = [dim.evaluate(sizes) for dim in type_.shape]
        if type_.is_float:
            inputs.append(torch.randn(shape))
            continue
        allowed = checked.ranges[name]
        low, high = int(allowed.minimum or 0), int(allowed.maximum or 0)
        inputs.append(torch.randint(low, high + 1, shape).to(getattr(torch, type_.dtype)))
    return inputs
