"""A real llama.cpp server in a process of its own: `python -m tests.llama_server MODEL.gguf` prints its address."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.commands import ROOT


@contextmanager
def llama_server(model: Path) -> Iterator[str]:
    """The address (up to /v1) of a llama.cpp server that runs while the block does."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.llama_server", str(model)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip() + "/v1"
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def serve(model: str) -> None:
    """Serve until killed."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx, params.n_parallel, params.verbosity, params.fit_params = 4 * 1024, 4, -1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    serve(sys.argv[1])
