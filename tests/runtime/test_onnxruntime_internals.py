"""Every undocumented API of onnxruntime that stackc uses, on the installed release: each must still do what it did."""

import sys

import onnx
import pytest

from stackc.runtime import onnxruntime_internals as internals
from stackc.runtime.onnxruntime_internals import (
    create_session,
    error_cause,
    error_types,
    onnxruntime,
    provider_library,
    registered_kernels,
)

IDENTITY = onnx.parser.parse_model(
    '<ir_version: 10, opset_import: ["" : 18]> g (float[n] x) => (float[n] y) { y = Identity (x) }'
).SerializeToString()


def test_error_types_are_those_that_a_broken_model_raises() -> None:
    """`capi.onnxruntime_pybind11_state` has the exceptions, which have no common base class."""
    assert len(error_types()) > 5, "not only RuntimeError and ValueError"
    with pytest.raises(error_types()) as raised:
        create_session(b"not a model", None, ["CPUExecutionProvider"])
    assert type(raised.value) not in (RuntimeError, ValueError)
    assert str(raised.value).startswith("[ONNXRuntimeError] : ")
    assert error_cause(raised.value)
    assert "ONNXRuntimeError" not in error_cause(raised.value)


def test_the_cause_of_an_error_is_one_line_without_numbers() -> None:
    error = RuntimeError("[ONNXRuntimeError] : 11 : EP_FAIL : CUDA failure 35:\n driver is too old\n")
    assert error_cause(error) == "CUDA failure 35: driver is too old"


def test_registered_kernels_are_those_of_the_provider() -> None:
    """`get_registered_ep_kernel_defs` is missing from some releases, which only costs an explanation."""
    kernels = registered_kernels("CPUExecutionProvider")
    if kernels is None:
        assert not hasattr(onnxruntime().capi.onnxruntime_pybind11_state, "get_registered_ep_kernel_defs")
        return
    assert {("", "MatMul"), ("com.microsoft", "MultiHeadAttention")} <= kernels
    assert ("", "NoSuchOperator") not in kernels


def test_kernels_of_a_release_that_does_not_list_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class State:
        """A compiled module without the function."""

    class Release:
        """A release of onnxruntime with that module."""

        class capi:  # onnxruntime's own name
            onnxruntime_pybind11_state = State

    monkeypatch.setattr(internals, "onnxruntime", lambda: Release)
    assert registered_kernels("a provider that is in no cache") is None


def test_a_session_that_cannot_be_opened_raises_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """With fallback, ONNX Runtime would print "EP Error" and retry on the CPU."""
    session = create_session(IDENTITY, None, ["CPUExecutionProvider"])
    assert session.get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(ValueError, match="providers"):
        create_session(IDENTITY, None, [1])
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="provider_library looks for ELF files")
def test_libraries_of_providers_are_files_of_the_package() -> None:
    if "CUDAExecutionProvider" not in onnxruntime().get_available_providers():
        pytest.skip("this build of ONNX Runtime has no CUDA provider")
    library = provider_library("cuda")
    assert library is not None
    assert library.read_bytes()[:4] == b"\x7fELF"
    assert provider_library("cpu") is None, "it is part of ONNX Runtime itself"
