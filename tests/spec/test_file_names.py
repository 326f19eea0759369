"""The name of a spec names a folder: it is a file name on every system, or is refused with a proposal that is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stackc.core.diagnostics import SpecError
from stackc.spec.names import as_file_name, why_no_file_name
from stackc.spec.reader import parse
from stackc.spec.source import Source

SPEC = "stackc: 1\nNAMEinputs: {x: {shape: [b, 8]}}\ngraph: x --> relu\n"
# what Windows documents as reserved, and what POSIX tools read as an option
BAD = {
    "con": "con_", "CON": "CON_", "nul": "nul_", "Aux": "Aux_", "prn": "prn_", "com1": "com1_", "LPT9": "LPT9_",
    "com¹": "com¹_", "nul.txt": "nul_.txt", "con.": "con_", "model.": "model", "model..": "model", "-o": "o",
    "--help": "help", "-": "model", "-con": "con_", ".": "model", "..": "model", "a/b": "a_b", "名" * 90: "名" * 66,
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_error_no_file_name(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(Source("model.yaml", SPEC.replace("NAME", f"name: '{name}'\n")))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.hint) == ("S008", f"write `name: {BAD[name]}`")
    assert parse(Source("model.yaml", SPEC.replace("NAME", f"name: {BAD[name]}\n"))).name == BAD[name]


@pytest.mark.parametrize("file", ["con.yaml", "-o.yaml", "nul.mmd"])
def test_error_a_file_without_a_name_of_its_own(file: str) -> None:
    front = SPEC.replace("NAME", "")
    text = front if file.endswith("yaml") else f"---\n{front.replace('graph: ', '---' + chr(10) + 'graph LR;')}"
    with pytest.raises(SpecError) as caught:
        parse(Source(file, text))
    assert [each.code for each in caught.value.diagnostics] == ["S008"]


@pytest.mark.parametrize("name", ["model", "console", "a.b", "a-b", "_x", "null", "com", "com10", "模型", "v1.0"])
def test_other_names_stay(name: str) -> None:
    assert parse(Source("model.yaml", SPEC.replace("NAME", f"name: '{name}'\n"))).name == name


@given(st.text(max_size=300))
@example("con." + "x" * 200)
@example("-.con.")
@example("名" * 200)
def test_every_proposal_is_a_file_name(name: str) -> None:
    proposal = as_file_name(name)
    assert why_no_file_name(proposal) is None
    assert len(proposal.encode()) <= 255
