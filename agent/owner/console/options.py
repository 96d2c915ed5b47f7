"""The options of ``owner console``. Light to import: the command line is built before."""

from __future__ import annotations

import argparse

EXAMPLES = """\
  clip-agent owner console
  clip-agent owner console --listen 192.168.1.5 --origin https://clips.example.net
  clip-agent owner console --link --origin https://clips.example.net   (for a phone)
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add them to ``command``."""
    command.add_argument(
        "--listen",
        default="127.0.0.1",
        metavar="HOST[:PORT]",
        help="where the console listens (default 127.0.0.1:8642)",
    )
    command.add_argument(
        "--origin",
        metavar="URL",
        help="the https:// address under which your own web server shows the console",
    )
    command.add_argument(
        "--idle",
        type=float,
        default=15.0,
        metavar="MINUTES",
        help="lock a browser that is idle for this long (default 15)",
    )
    command.add_argument(
        "--link", action="store_true", help="print a link that admits a browser, and end"
    )
