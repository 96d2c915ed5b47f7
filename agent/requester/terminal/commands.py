"""``clip-agent requester ...``: the commands and their options. Light to import."""

from __future__ import annotations

import argparse
import pkgutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from agent import options
from agent.options import Commands

DEFAULT_HOME = Path("~/.config/clip-agent/requester")
_HERE = "agent.requester.terminal"
DEFAULT_LISTEN = "127.0.0.1:1080"


def register(groups: Commands) -> None:
    """Add the group ``requester``."""
    text = "ask the public for clips, and receive what owners release"
    group = groups.add_parser(
        "requester", help=text, description=text, epilog=options.HOW_TO_UNLOCK
    )
    commands = group.add_subparsers(metavar="COMMAND", required=True)

    init = _add(commands, "init", "keys:init", "make your keys")
    init.add_argument("--name", required=True, help="who you are, as owners will read it")
    init.add_argument("--feed", default="clip-feed", metavar="TOPIC", help="the feed to post on")
    options.add_broker(init, required=False)
    options.add_passphrase(init)

    card = _add(commands, "card", "keys:card", "print your key card, or make a new one")
    card.add_argument(
        "--host",
        action="append",
        metavar="HOST[:PORT]",
        help="a host that bundles may be uploaded to; makes a new card",
    )
    card.add_argument("--contact", default="", metavar="TEXT", help="how owners reach you")
    options.add_passphrase(card)

    _register_public(commands)
    _register_receiving(commands)


def _register_receiving(commands: Commands) -> None:
    text = "receive the bundles owners upload (tus 1.0), file them by case, answer with receipts"
    receive = _add(commands, "receive", "receive:receive", text)
    receive.add_argument("--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT")
    receive.add_argument("--dir", type=Path, required=True, help="folder for the bundles")
    receive.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    receive.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    receive.add_argument(
        "--max-bytes", type=int, default=2_000_000_000, help="largest bundle (default 2 GB)"
    )
    receive.add_argument(
        "--sealed",
        action="store_true",
        help="only store them, without your keys; `requester intake` does the rest elsewhere",
    )
    options.add_passphrase(receive)

    text = "verify a bundle that another server received, file it by case, and sign a receipt"
    intake = _add(commands, "intake", "receive:intake", text)
    intake.add_argument("bundle", type=Path, metavar="BUNDLE.age")
    intake.add_argument("--dir", type=Path, required=True, help="folder of all cases")
    intake.add_argument(
        "--receipt",
        type=Path,
        metavar="FILE",
        help="write the receipt, to serve it beside the upload",
    )
    options.add_json(intake)
    options.add_passphrase(intake)

    opening = _add(commands, "open", "open:open_", "open a bundle, verify it, and print all of it")
    opening.add_argument("bundle", type=Path, metavar="BUNDLE.age")
    opening.add_argument("--output", type=Path, metavar="DIR", help="default: beside the bundle")
    options.add_json(opening)
    options.add_passphrase(opening)


def _register_public(commands: Commands) -> None:
    post = _add(commands, "post", "post:post", "sign a request and post it in public")
    alert = _add(commands, "alert", "post:alert", "publish an alert (no replies)")
    post.add_argument(
        "--allow-loopback-http",
        action="store_true",
        help="accept http://127.0.0.1 for upload: for demonstrations and tests only",
    )
    for command, action in ((post, _RequestExample), (alert, _AlertExample)):
        command.add_argument(
            "--yes", action="store_true", help="do not ask if cameras would refuse it"
        )
        command.add_argument("--example", action=action, help="print a template, and exit")
        command.add_argument(
            "file", type=Path, metavar="FILE", help="YAML, or a .jws file signed before"
        )
        how = command.add_mutually_exclusive_group()
        how.add_argument(
            "--sign-only",
            type=Path,
            metavar="NEW.jws",
            help="sign into this file, for a public log, and post nothing yet",
        )
        how.add_argument(
            "--proof", type=Path, metavar="FILE", help="the public log's proof (C2SP tlog-proof)"
        )
        how.add_argument(
            "--log",
            type=Path,
            metavar="DIR",
            help="a small log made by `requester log`: for demonstrations and tests only",
        )
        command.add_argument(
            "--link",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="with --proof: the log's consistency proof since the feed last used it",
        )
    withdraw = _add(commands, "withdraw", "post:withdraw", "withdraw a request")
    withdraw.add_argument("request", help="the first characters of its digest")
    withdraw.add_argument("--yes", action="store_true", help="do not ask again")
    for command in (post, alert, withdraw):
        options.add_json(command)
        options.add_passphrase(command)

    log = _add(commands, "log", "post:log", "a small public log, for demonstrations and tests only")
    log.add_argument("folder", type=Path, metavar="DIR")
    log.add_argument("--name", metavar="HOST/NAME", help="make a new log with this name")
    options.add_json(log)


class _RequestExample(argparse.Action):
    """Print a template and exit, like ``--help``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **rest: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **rest)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(self.text(), end="")
        parser.exit()

    def text(self) -> str:
        """The template of a request."""
        example = pkgutil.resolve_name("agent.requester.posts.request_file:example")
        return str(example(datetime.now().astimezone()))


class _AlertExample(_RequestExample):
    def text(self) -> str:
        """The template of an alert."""
        return str(pkgutil.resolve_name("agent.requester.posts.alert_file:EXAMPLE"))


def _add(commands: Commands, name: str, function: str, text: str) -> argparse.ArgumentParser:
    command = options.add_command(commands, name, f"{_HERE}.{function}", text)
    options.add_home(command, DEFAULT_HOME)
    return command
