"""Which providers open, and the errors of those that do not; machines are simulated, so that this runs on all."""

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime import providers
from stackc.runtime.libraries import SharedLibrary
from stackc.runtime.providers import Build, Provider, choose, open_with, provider_chain, unavailable


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    unavailable.cache_clear()
    yield
    unavailable.cache_clear()


def the_problem(provider: Provider) -> Diagnostic:
    with pytest.raises(SpecError) as raised:
        choose(provider)
    (diagnostic,) = raised.value.diagnostics
    return diagnostic


def test_probe_is_one_identity_node() -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert onnx.load_from_string(providers.PROBE) == model


def test_the_cpu_opens() -> None:
    assert choose("cpu") == ("cpu", "asked for")


def test_error_another_provider_opened_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is what ONNX Runtime does on a machine without CUDA: it silently opens the CPU."""
    monkeypatch.setitem(providers._NAMES, "cpu", "CUDAExecutionProvider")
    with pytest.raises(RuntimeError, match="opened CPUExecutionProvider instead of CUDAExecutionProvider"):
        open_with("cpu", providers.PROBE, None)


def test_error_unknown_word() -> None:
    with pytest.raises(SpecError) as raised:
        choose("cudda")
    assert raised.value.diagnostics == (
        Diagnostic("R400", "there is no provider 'cudda'", hint="did you mean 'cuda'?"),
    )


def test_error_not_in_this_build(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu_only = Build("onnxruntime", "1.31.1", None, ("CPUExecutionProvider",))
    monkeypatch.setattr(providers, "installed_build", lambda: cpu_only)
    problem = the_problem("cuda")
    assert (problem.code, problem.message) == (
        "R401",
        "the installed onnxruntime 1.31.1 has no cuda provider",
    )
    assert problem.hint


GPU_BUILD = Build("onnxruntime-gpu", "1.31.1", "13.0", tuple(providers._NAMES.values()))


def without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """Simulate a machine with the GPU build of ONNX Runtime that lacks some libraries."""
    monkeypatch.setattr(providers, "installed_build", lambda: GPU_BUILD)
    monkeypatch.setattr(providers, "DRIVER", "libcuda.so.1")
    monkeypatch.setattr(providers, "load_library", lambda name: "cannot open" if name in missing else None)
    monkeypatch.setattr(providers, "preload", lambda: "")
    monkeypatch.setattr(
        providers, "find_libraries", lambda names: [SharedLibrary(n, "no" if n in missing else None) for n in names]
    )
    monkeypatch.setattr(providers, "provider_library", lambda provider: Path("lib.so"))
    monkeypatch.setattr(providers, "needed_libraries", lambda path: ("libc.so.6", *missing))


CUDA, TENSORRT = "'stackc[cuda]'", "'tensorrt-cu13==10.*'"


@pytest.mark.parametrize(
    ("provider", "missing", "hint"),
    [
        ("cuda", ("libcurand.so.10", "libnvrtc.so.13"), f"pip install {CUDA}"),
        ("tensorrt", ("libnvinfer.so.10", "libnvonnxparser.so.10"), f"pip install {TENSORRT}"),
        ("tensorrt", ("libcudart.so.13", "libnvinfer.so.10"), f"pip install {CUDA} {TENSORRT}"),
    ],
)
def test_error_libraries_missing(
    monkeypatch: pytest.MonkeyPatch, provider: Provider, missing: tuple[str, ...], hint: str
) -> None:
    without(monkeypatch, *missing)
    expected = f"the {provider} provider does not open: {', '.join(missing)} not found"
    assert the_problem(provider) == Diagnostic("R402", expected, hint=hint)


def test_error_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "libcuda.so.1")
    assert the_problem("cuda") == Diagnostic(
        "R403",
        "the cuda provider does not open: no NVIDIA driver was found (libcuda.so.1)",
        hint="`nvidia-smi` shows GPU and driver; CUDA 13 needs driver 580 or later; `--provider cpu` needs neither",
    )


def test_error_tensorrt_names_its_package_even_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "libcuda.so.1", "libnvinfer.so.10")
    problem = the_problem("tensorrt")
    assert problem.message == (
        "the tensorrt provider does not open: no NVIDIA driver was found (libcuda.so.1); libnvinfer.so.10 not found"
    )
    assert (problem.hint or "").endswith(f"pip install {TENSORRT}")


def test_error_cause_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 11 : EP_FAIL : CUDA failure 35: CUDA driver version is insufficient\n")

    without(monkeypatch)
    monkeypatch.setattr(providers, "open_with", refuse)
    problem = the_problem("cuda")
    assert problem.code == "R404"
    assert problem.message == "the cuda provider does not open: CUDA failure 35: CUDA driver version is insufficient"


def test_error_what_onnx_runtime_only_logs_is_asked_of_the_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("ONNX Runtime opened CPUExecutionProvider instead of CUDAExecutionProvider")

    without(monkeypatch)
    monkeypatch.setattr(providers, "load_library", lambda name: "undefined symbol: x" if name == "lib.so" else None)
    monkeypatch.setattr(providers, "open_with", refuse)
    assert the_problem("cuda").message.endswith("instead of CUDAExecutionProvider; undefined symbol: x")


def test_auto_takes_the_cpu_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "libcuda.so.1")
    assert choose("auto") == ("cpu", "no NVIDIA driver was found (libcuda.so.1)")


def test_auto_names_what_a_machine_with_a_gpu_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "libcurand.so.10")
    assert choose("auto") == ("cpu", "the cuda provider does not open: libcurand.so.10 not found")


def test_auto_takes_cuda_where_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    monkeypatch.setattr(providers, "open_with", lambda *_: None)
    assert choose("auto") == ("cuda", "an NVIDIA GPU was found, and the CUDA provider opens")


def test_a_stream_is_an_option_of_the_providers_on_the_gpu() -> None:
    assert provider_chain("cpu", 7) == [("CPUExecutionProvider", {})]
    assert provider_chain("tensorrt", 7) == [
        ("TensorrtExecutionProvider", {"user_compute_stream": "7"}),
        ("CUDAExecutionProvider", {"use_tf32": "0", "user_compute_stream": "7"}),
        ("CPUExecutionProvider", {}),
    ]
    assert provider_chain("cuda")[0] == ("CUDAExecutionProvider", {"use_tf32": "0"})
