"""Options of ``owner watch``. Light to import."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

EXAMPLES: Final = """\
  clip-agent owner watch --desktop
  clip-agent owner watch --ntfy https://ntfy.example/front-door --ntfy-token ntfy-token
  clip-agent owner watch --exec "say-it --loud"
"""
_DAY_MINUTES: Final = 1_440.0


def add(command: argparse.ArgumentParser) -> None:
    """Add the options of the channels, and ``--after``."""
    command.add_argument(
        "--exec", metavar="COMMAND", help="run this program with the message as its last argument"
    )
    command.add_argument("--ntfy", metavar="URL", help="post to this topic of an ntfy server")
    command.add_argument(
        "--ntfy-token", type=Path, metavar="FILE", help="the first line is its access token"
    )
    command.add_argument(
        "--ntfy-ca", type=Path, metavar="FILE", help="trust these certificates (PEM) of that server"
    )
    command.add_argument("--desktop", action="store_true", help="show messages on the desktop")
    command.add_argument(
        "--after",
        type=_minutes,
        default=5.0,
        metavar="MINUTES",
        help="tell of a fault after it has lasted this long (default 5)",
    )


def _minutes(text: str) -> float:
    """A number of minutes from 0 to a day."""
    minutes = float(text)
    if not 0 <= minutes <= _DAY_MINUTES:
        raise argparse.ArgumentTypeError(f"must be from 0 to {_DAY_MINUTES:g}")
    return minutes
