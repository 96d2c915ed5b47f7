"""Options and registration of the device's commands: ``status clips requests ledger reindex``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from agent import options
from agent.consent.statements import LedgerHead
from agent.options import Commands

DEFAULT_CONFIG = Path("/etc/clip-agent/agent.yaml")
_RUN = "agent.cli.device"


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """``--config FILE``, the same for every command of the device."""
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help=f"the device's configuration (default {DEFAULT_CONFIG})",
    )


def register(groups: Commands) -> None:
    """Add the commands to the main parser."""
    for name, text in (
        ("status", "the device's health"),
        ("clips", "the clips on this device"),
        ("requests", "all requests received, and their outcome"),
    ):
        command = _add(groups, name, f"{_RUN}:{name}", text)
        options.add_json(command)
        if name == "status":
            command.add_argument(
                "--prometheus",
                action="store_true",
                help="print it as metrics, for the textfile collector of Prometheus' node exporter",
            )

    text = "the ledger: every request, decision and release"
    ledger = groups.add_parser("ledger", help=text, description=text)
    actions = ledger.add_subparsers(metavar="ACTION", required=True)
    options.add_json(_add(actions, "show", f"{_RUN}:ledger_show", "print its lines"))
    text = "check that no line was changed, removed or added"
    verify = _add(actions, "verify", f"{_RUN}:ledger_verify", text)
    verify.add_argument(
        "--head",
        type=_head,
        metavar="SIZE:ROOT",
        help="also check that it begins with the lines under this head, which was seen earlier",
    )
    text = "print it as JSON lines, or as a page to hand to a lawyer"
    export = _add(actions, "export", f"{_RUN}:ledger_export", text)
    export.add_argument(
        "--html",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write one page, complete and ready to print, to a new FILE (default: the terminal)",
    )
    text = "say that an image or a backup was put back: releases wait for their owners' word"
    _add(groups, "restored", f"{_RUN}:restored", text)
    text = "rebuild the index of clips from their sidecars"
    _add(groups, "reindex", f"{_RUN}:reindex_clips", text)


def _head(text: str) -> LedgerHead:
    size, _, root = text.partition(":")
    if not size.isdecimal() or not re.fullmatch(r"[0-9a-f]{64}", root):
        raise argparse.ArgumentTypeError(f"{text!r} is not SIZE:ROOT, as `ledger verify` prints it")
    return LedgerHead(size=int(size), root=root)


def _add(groups: Commands, name: str, function: str, text: str) -> argparse.ArgumentParser:
    command = options.add_command(groups, name, function, text)
    add_config_option(command)
    return command
