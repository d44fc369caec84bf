"""`hornbook completion`."""

from __future__ import annotations

import click

from hornbook.cli.common import json_option, print_json

_WHERE = {
    "bash": 'eval in ~/.bashrc: eval "$(hornbook completion bash)"',
    "zsh": 'eval in ~/.zshrc, after compinit: eval "$(hornbook completion zsh)"',
    "fish": "save: hornbook completion fish > ~/.config/fish/completions/hornbook.fish",
}


@click.command(short_help="completion for bash, zsh or fish")
@click.argument("shell", type=click.Choice(list(_WHERE)))
@json_option
def command(shell: str, as_json: bool) -> None:
    """Print the completion script for SHELL; it completes commands, options, stages, recipes and runs.

    \b
      eval "$(hornbook completion bash)"        # in ~/.bashrc
      eval "$(hornbook completion zsh)"         # in ~/.zshrc, after compinit
      hornbook completion fish > ~/.config/fish/completions/hornbook.fish
    """
    from click.shell_completion import get_completion_class

    from hornbook.cli.main import command as program

    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(program, {}, "hornbook", "_HORNBOOK_COMPLETE")
    script = made.source_template % made.source_vars()
    if as_json:
        print_json({"shell": shell, "script": script, "how": _WHERE[shell]})
        return
    click.echo(script)
