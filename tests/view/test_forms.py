"""The table of picture forms: each draws, and importing the table loads no writer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from stackc.frontend import check_spec
from stackc.view.forms import PICTURE_FORMS, SUFFIXES, FormName, form_of_suffix, render_picture

SPEC = Path(__file__).parents[2] / "specs" / "stacked.yaml"
STARTS = {"svg": b"<svg ", "png": b"\x89PNG", "mermaid": b"---\ntitle:", "dot": b"digraph ", "html": b"<!doctype html>"}


def test_every_form_has_its_own_suffix() -> None:
    assert set(PICTURE_FORMS) == set(get_args(FormName)) == set(STARTS)
    assert len(set(SUFFIXES)) == len(PICTURE_FORMS)
    assert [form_of_suffix(form.suffix.upper()) for form in PICTURE_FORMS.values()] == list(PICTURE_FORMS)
    assert form_of_suffix(".gif") is None


@pytest.mark.parametrize("form", PICTURE_FORMS)
def test_every_form_draws(form: FormName) -> None:
    checked = check_spec(SPEC)
    picture = render_picture(checked.typed, checked.sources, form)
    content = picture.data.encode() if isinstance(picture.data, str) else picture.data
    assert picture.missing == ""
    assert content.startswith(STARTS[form])


def test_importing_the_table_loads_no_writer() -> None:
    code = (
        "import sys, stackc.view.forms\n"
        "print(*(name for name in sys.modules if name.startswith('stackc.view.') or name in ('jinja2', 'resvg_py')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["stackc.view.forms"]
