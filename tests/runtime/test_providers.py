"""What opens, and what is said of what does not; machines without a GPU are simulated, so that this runs on all."""

from collections.abc import Iterator

import onnx
import pytest
from onnx import TensorProto, helper

from stackc.diagnostics import Diagnostic, SpecError
from stackc.runtime import providers
from stackc.runtime.providers import Build, Provider, choose, obstacle, open_with


@pytest.fixture(autouse=True)
def _found_out_anew() -> Iterator[None]:
    obstacle.cache_clear()
    yield
    obstacle.cache_clear()


def the_problem(provider: Provider) -> Diagnostic:
    with pytest.raises(SpecError) as raised:
        choose(provider)
    (diagnostic,) = raised.value.diagnostics
    return diagnostic


def loader_without(*names: str) -> object:
    return lambda name: f"{name}: cannot open" if name in names else None


def test_probe_is_one_identity_node() -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert onnx.load_from_string(providers.PROBE) == model


def test_the_cpu_opens() -> None:
    assert choose("cpu") == ("cpu", "asked for")


def test_error_another_provider_opened_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The very thing ONNX Runtime does on a machine without CUDA: it opens the CPU and goes on."""
    monkeypatch.setitem(providers._NAMES, "cpu", "CUDAExecutionProvider")
    with pytest.raises(RuntimeError, match="opened CPUExecutionProvider in place of CUDAExecutionProvider"):
        open_with("cpu", providers.PROBE, None)


def test_error_unknown_word() -> None:
    with pytest.raises(SpecError) as raised:
        choose("cudda")
    assert raised.value.diagnostics == (
        Diagnostic("R400", "there is no provider 'cudda'", hint="did you mean 'cuda'?"),
    )


def test_error_not_in_this_build(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu_only = Build("onnxruntime", "1.31.1", None, ("CPUExecutionProvider",))
    monkeypatch.setattr(providers, "build", lambda: cpu_only)
    problem = the_problem("cuda")
    assert (problem.code, problem.message) == (
        "R401",
        "onnxruntime 1.31.1, as it is installed here, has no cuda provider",
    )
    assert problem.hint


GPU_BUILD = Build("onnxruntime-gpu", "1.31.1", "13.0", tuple(providers._NAMES.values()))


def test_error_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "build", lambda: GPU_BUILD)
    monkeypatch.setattr(providers, "DRIVER", "libnothere.so.1")
    problem = the_problem("cuda")
    assert problem.code == "R403"
    assert problem.message.startswith("no NVIDIA driver was found (libnothere.so.1")
    assert "--provider cpu" in (problem.hint or "")


@pytest.mark.parametrize(
    ("provider", "missing", "hint"),
    [
        ("cuda", ("libcurand.so.10", "libcublas.so.13"), "pip install 'onnxruntime-gpu[cuda,cudnn]'"),
        ("tensorrt", ("libnvinfer.so.10", "libnvonnxparser.so.10"), "pip install 'tensorrt-cu13==10.*'"),
        (
            "tensorrt",
            ("libcudart.so.13", "libnvinfer.so.10"),
            "pip install 'onnxruntime-gpu[cuda,cudnn]' 'tensorrt-cu13==10.*'",
        ),
    ],
)
def test_error_libraries_missing(
    monkeypatch: pytest.MonkeyPatch, provider: Provider, missing: tuple[str, ...], hint: str
) -> None:
    monkeypatch.setattr(providers, "build", lambda: GPU_BUILD)
    monkeypatch.setattr(providers, "load", lambda name: None)
    monkeypatch.setattr(providers, "preload", lambda: "")
    monkeypatch.setattr(providers, "_missing", lambda provider: missing)
    expected = f"the {provider} provider does not open: {', '.join(missing)} not found"
    assert the_problem(provider) == Diagnostic("R402", expected, hint=hint)


def test_error_cause_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 11 : EP_FAIL : CUDA failure 35: CUDA driver version is insufficient\n")

    monkeypatch.setattr(providers, "build", lambda: GPU_BUILD)
    monkeypatch.setattr(providers, "load", lambda name: None)
    monkeypatch.setattr(providers, "preload", lambda: "")
    monkeypatch.setattr(providers, "_missing", lambda provider: ())
    monkeypatch.setattr(providers, "open_with", refuse)
    problem = the_problem("cuda")
    assert problem.code == "R404"
    assert problem.message == "the cuda provider does not open: CUDA failure 35: CUDA driver version is insufficient"


def test_auto_takes_the_cpu_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "build", lambda: GPU_BUILD)
    monkeypatch.setattr(providers, "DRIVER", "libnothere.so.1")
    provider, reason = choose("auto")
    assert provider == "cpu"
    assert reason.startswith("not cuda: no NVIDIA driver was found")


def test_auto_takes_cuda_where_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "obstacle", lambda provider: None)
    assert choose("auto") == ("cuda", "the CUDA provider opens here")
