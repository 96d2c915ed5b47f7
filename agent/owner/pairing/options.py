"""The options of ``owner pair``. Light to import: the command line is built before."""

from __future__ import annotations

import argparse

from agent import options

EXAMPLES = """\
  clip-agent owner pair 417-062-913 --broker raspberrypi.local
"""


def add(command: argparse.ArgumentParser) -> None:
    """Add them to ``command``."""
    command.add_argument("code", help="the nine digits that the camera shows (`clip-agent setup`)")
    command.add_argument("--name", help="your name, as your cameras show it, for new keys")
    options.add_broker(command, required=False, otherwise="default: that of your other cameras")
    command.add_argument(
        "--no-tls", action="store_true", help="the broker has no TLS: on this computer, for tests"
    )
    options.add_passphrase(command)
