"""A checked spec that uses everything the rules are about."""

from __future__ import annotations

import pytest
from tests.ir.illegal import LEGAL

from stackc.frontend import Checked, check_source
from stackc.spec.source import Source


@pytest.fixture
def legal() -> Checked:
    """A spec that uses everything the rules are about."""
    return check_source(Source("legal.yaml", LEGAL))
