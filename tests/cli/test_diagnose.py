"""The findings of `stackc doctor`, on simulated machines."""

import platform
import subprocess
import sys
from importlib.metadata import version

import pytest

from stackc.cli import diagnose
from stackc.cli.diagnose import DiagnosisRow
from stackc.core.diagnostics import Diagnostic
from stackc.runtime.libraries import SharedLibrary
from stackc.runtime.providers import DRIVER, Build


def rows() -> dict[str, DiagnosisRow]:
    return {row.subject: row for row in diagnose.diagnose()}


def test_versions_are_the_installed_ones() -> None:
    by_subject = rows()
    assert by_subject["python"].detail.startswith(platform.python_version())
    for package in ("torch", "onnx", "onnxscript"):
        assert by_subject[package] == DiagnosisRow(package, "ok", version(package))
    assert by_subject["onnxruntime"].state == "ok"
    assert "CPUExecutionProvider" in by_subject["onnxruntime"].detail
    assert by_subject["provider cpu"] == DiagnosisRow("provider cpu", "ok", "opens")


def test_pytorch_is_not_imported() -> None:
    code = "import sys; from stackc.cli.diagnose import diagnose; diagnose(); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("False\n", "")


def test_without_a_driver_cuda_is_untested_here(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Diagnostic("R403", "no NVIDIA driver was found", hint="get one")
    monkeypatch.setattr(diagnose, "unavailable", lambda provider: None if provider == "cpu" else absent)
    monkeypatch.setattr(diagnose, "cuda_libraries", lambda: (SharedLibrary(DRIVER, "cannot open"),))
    by_subject = rows()
    assert by_subject["provider cuda"] == DiagnosisRow(
        "provider cuda", "untested", "not tested here: no NVIDIA driver was found", "get one"
    )
    assert by_subject["provider tensorrt"].state == "untested"
    assert by_subject[f"library {DRIVER}"].state == "untested"


def test_a_provider_that_does_not_open_has_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Diagnostic("R402", "the cuda provider does not open: libcurand.so.10 not found", hint="pip install it")
    monkeypatch.setattr(diagnose, "unavailable", lambda provider: missing if provider == "cuda" else None)
    monkeypatch.setattr(diagnose, "cuda_libraries", lambda: (SharedLibrary("libcurand.so.10", "cannot open"),))
    by_subject = rows()
    assert by_subject["provider cuda"] == DiagnosisRow("provider cuda", "failed", missing.message, "pip install it")
    assert by_subject["library libcurand.so.10"] == DiagnosisRow(
        "library libcurand.so.10", "missing", "cannot open", "pip install 'stackc[cuda]'"
    )


def test_two_packages_of_onnxruntime_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnose, "_version", lambda package: "1.0")
    monkeypatch.setattr(
        diagnose, "installed_build", lambda: Build("onnxruntime", "1.31.1", None, ("CPUExecutionProvider",))
    )
    row = rows()["onnxruntime"]
    assert (row.state, row.fix and row.fix.startswith("pip uninstall")) == ("failed", True)
    assert row.detail == "onnxruntime 1.31.1, without CUDA; both packages are installed, and one hides the other"


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnose, "_version", lambda package: None)
    assert rows()["torch"] == DiagnosisRow("torch", "missing", "", "pip install .")
