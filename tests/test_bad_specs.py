"""Every mistake that a spec can hold, in a file of its own beside the whole text that stackc says to it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stackc.authoring.reference.codes import code_pages
from stackc.core.diagnostics import SpecError, render
from stackc.frontend import check_source
from stackc.spec.source import Source

TESTS = Path(__file__).parent
BAD_SPECS = sorted(
    path
    for path in (TESTS / "bad_specs").iterdir()
    if path.suffix in (".yaml", ".mmd") and ".right." not in path.name  # the twins of tests/test_every_help.py
)

# Codes that no text of a spec alone can bring about, and the test that does. That stackc raises no other codes than
# those of the catalogue is for tests/authoring/reference/test_codes.py to see.
ELSEWHERE = {
    "S009": "cli/test_commands.py", "S011": "cli/test_init.py", "S012": "cli/test_init.py",
    "S013": "spec/test_writer.py", **dict.fromkeys(("T210", "T211"), "components/custom/test_module.py"),
    **dict.fromkeys(("W801", "W802", "W803"), "weights/test_match.py"), "W804": "weights/test_files.py",
    **dict.fromkeys(("H901", "H902", "H903", "H904", "H905", "H906", "H907"), "hub/test_import.py"),
    **dict.fromkeys(("G921", "G922"), "proof/test_step_proof.py"),
    **dict.fromkeys(("G911", "G912", "G913"), "generation/test_generate.py"), "G914": "generation/test_sampling.py",
    "E501": "export/test_compile.py", "E502": "export/test_link.py", "E504": "test_out_of_memory.py",
    "P701": "test_pipeline.py", "P702": "proof/test_refusals.py", "P703": "proof/test_refusals.py",
    "W808": "weights/test_map.py", "W809": "proof/test_reference_vectors.py", "P710": "proof/test_reference_vectors.py",
    "W810": "weights/test_parts.py",
    "W806": "weights/test_finite.py", "P706": "proof/test_undefined.py",
    "P704": "proof/test_planted_faults.py", "P705": "models/test_own_modules.py",
    **dict.fromkeys(("P721", "P722", "P723"), "analysis/onnx_files/test_against.py"),
    "P720": "cli/test_reduce_command.py",
    **dict.fromkeys(("P731", "P732", "P733", "P734", "P735"), "precision/test_quantize.py"),
    **dict.fromkeys(("P737", "P738", "R461"), "tuning/test_tune.py"),
    "L105": "cli/test_train_command.py",
    **dict.fromkeys(("L201", "L202"), "training/test_examples.py"),
    **dict.fromkeys(("L203", "L204", "L205", "L206"), "training/test_loop.py"),
    **dict.fromkeys(("L221", "L222"), "training/test_train_plan.py"),
    **dict.fromkeys(("L223", "L224", "L225"), "training/test_ranks.py"),
    "R452": "artifact/test_verify.py",
    "R451": "timing/test_speed_assertions.py",
    "L301": "training/test_evaluation.py", "L305": "torch_backend/test_training_file.py",
    **dict.fromkeys(("L303", "L304"), "training/test_assertions.py"),
    "L207": "cli/test_train_command.py", "L208": "training/test_progress.py",
    "L209": "training/test_sweep.py",
    **dict.fromkeys(("X004", "X005", "X006"), "cli/test_failures.py"),
    "V101": "view/test_svg.py", "V102": "view/test_svg.py", "V103": "view/test_show_command.py",
    **dict.fromkeys(("R400", "R401", "R402", "R403", "R404"), "runtime/test_providers.py"),
    **dict.fromkeys(("R405", "R406"), "runtime/test_session.py"), "R407": "runtime/test_placement.py",
    **dict.fromkeys(("R411", "R412", "R413", "R414", "R415", "R416", "R417", "R418"), "runtime/test_feeds.py"),
    **dict.fromkeys(("R421", "R422", "R423"), "runtime/test_npz.py"),
    **dict.fromkeys(("R431", "R432"), "benchmark/test_workers.py"), "R433": "benchmark/test_agreement.py",
    **dict.fromkeys(("R434", "R435", "R436", "R437"), "benchmark/test_targets.py"),
    **dict.fromkeys(("L233", "L234", "L235"), "training/test_private_run.py"),
    **dict.fromkeys(("R441", "R442", "R443", "R444", "R445"), "attribution/test_attribute.py"),
    **dict.fromkeys((f"A6{number:02}" for number in range(1, 11) if number not in (7, 8)), "artifact/test_folder.py"),
    "A614": "artifact/test_folder.py", "A607": "artifact/test_atomic.py", "A608": "artifact/test_atomic.py",
    **dict.fromkeys(("A611", "A612", "A613"), "artifact/test_verify.py"),
    **dict.fromkeys(("A621", "A622", "A623"), "artifact/test_identity.py"),
    **dict.fromkeys(("D801", "D802", "D803", "D804"), "deployment/test_package.py"),
    **dict.fromkeys(("D805", "D806"), "deployment/test_openvino.py"),
}  # fmt: skip


def said(path: Path) -> str:
    """All that stackc says to a spec, as it prints it."""
    text = path.read_text(encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        check_source(Source(path.name, text))
    return "\n\n".join(render(diagnostic, {path.name: text}) for diagnostic in caught.value.diagnostics) + "\n"


@pytest.mark.parametrize("path", BAD_SPECS, ids=lambda path: path.name)
def test_a_mistake_is_said_in_one_message(path: Path) -> None:
    text = said(path)
    assert text == path.with_suffix(".txt").read_text(encoding="utf-8")
    assert re.findall(r"^error\[(\w+)\]", text, re.MULTILINE) == [path.name[:4]]


def test_every_expected_text_has_its_spec() -> None:
    assert {path.stem for path in BAD_SPECS} == {path.stem for path in (TESTS / "bad_specs").glob("*.txt")}


@pytest.mark.parametrize("code", code_pages())
def test_every_code_has_a_bad_spec_or_a_test_elsewhere(code: str) -> None:
    has_spec = any(path.name.startswith(code) for path in BAD_SPECS)
    assert has_spec or code in (TESTS / ELSEWHERE[code]).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["S001_tab.yaml", "S102_foreign_arrow.mmd", "X002_unknown_name.yaml",
                                  "N301_unknown_label.yaml", "T202_heads_do_not_divide.yaml"])  # fmt: skip
def test_the_command_prints_it_and_fails_and_writes_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes((TESTS / "bad_specs" / name).read_bytes())
    command = [sys.executable, "-m", "stackc", "check", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    expected = (TESTS / "bad_specs" / name).with_suffix(".txt").read_text(encoding="utf-8")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{expected}\n1 error\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_of_very_many_mistakes_the_first_are_shown(tmp_path: Path) -> None:
    arrows = "".join(f"  x --> n{number}[foo] --> y\n" for number in range(150))
    text = f"stackc: 1\ninputs: {{x: {{shape: [batch, 8]}}}}\ngraph: |\n{arrows}  y[add]\n"
    (tmp_path / "many.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "stackc", "check", "many.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.stderr.count("error[N301]") == 100
    assert done.stderr.endswith("\n150 errors; only the first 100 are shown\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"stackc: 1\nname: caf\xe9\n", "error[S009]: spec.yaml is not UTF-8 text: invalid continuation byte"),
        (bytes(range(256)) * 20, "error[S009]: spec.yaml is not UTF-8 text"),
        (b"a" * 20_000_000, "error[S003]: spec.yaml is too big: a spec has at most 16,777,216 bytes"),
        (b"\xef\xbb\xbfstackc: 1\r\ninputs: {x: {shape: [b, 8]}}\r\ngraph: |\r\n  x --> y[gellu]\r\n",
         "error[N301]: 'y' (gellu) has no op: neither its label nor its id is the name of a component or block\n"
         "  --> spec.yaml:4:9\n  |\n4 |   x --> y[gellu]\n  |         ^\n"),
    ],
    ids=["latin", "binary", "20 MB", "BOM and CRLF"],
)  # fmt: skip
def test_odd_files(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_bytes(content)
    command = [sys.executable, "-m", "stackc", "check", "spec.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)


def test_a_folder_for_a_spec(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "seed.mmd").touch()
    command = [sys.executable, "-m", "stackc", "check", "specs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error[S009]: specs cannot be read: Is a directory\nhelp: known here: ")
