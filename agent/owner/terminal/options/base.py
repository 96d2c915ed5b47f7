"""The form of every command of the owner: its function, and the folder that it works in."""

from __future__ import annotations

import argparse
from pathlib import Path

from agent import options
from agent.options import Commands

DEFAULT_HOME = Path("~/.config/clip-agent/owner")


def add(
    commands: Commands, name: str, function: str, text: str, *, examples: str = ""
) -> argparse.ArgumentParser:
    """A command that runs ``function`` of this package, such as ``keys:init``."""
    dotted = f"agent.owner.terminal.{function}"
    command = options.add_command(commands, name, dotted, text, examples=examples)
    options.add_home(command, DEFAULT_HOME)
    return command
