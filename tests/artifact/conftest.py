"""The browser that report.html is opened in, as for the pages of the view."""

from __future__ import annotations

from tests.view.conftest import browser as browser
