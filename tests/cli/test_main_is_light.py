"""`hornbook --help` may load nothing that is slow to load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hornbook.cli.main import COMMANDS

HEAVY = ("pyarrow", "pydantic", "numba", "numpy", "torch", "rich", "aiohttp", "ruamel", "orjson", "tokenizers")

SCRIPT = f"""
import sys
from hornbook.cli.main import run
code = run(sys.argv[1:])
loaded = sorted(name for name in {HEAVY!r} if name in sys.modules)
print("loaded", loaded, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("args", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "loaded []"
    assert done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_json(name: str) -> None:
    import click

    from hornbook.cli.main import command

    found = command.get_command(click.Context(command), name)
    assert found is not None
    assert f"hornbook {name}" in (found.help or "")
    leaves = list(found.commands.values()) if isinstance(found, click.Group) else [found]
    for leaf in leaves:
        assert any("--json" in option.opts for option in leaf.params), leaf.name
        assert "\b\n" in (leaf.help or ""), f"{leaf.name} has no example"
