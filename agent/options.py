"""Command-line options and the registration of commands, shared by all roles.

Light to import: the command line is built before any role is chosen.
"""

from __future__ import annotations

import argparse
import pkgutil
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from agent.config import Broker
from agent.errors import ConfigError, Refused

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_HYPHENED_FINGERPRINT = re.compile("-[A-Za-z0-9_-]{42}")  # the length of a SHA-256 in base64url


class Parser(argparse.ArgumentParser):
    """Takes a fingerprint for what it is, also one that begins with a hyphen, as one in 64 does.

    argparse takes such a word for an option, but never one with a space in it. No option
    of ours is as long. Arguments that may be a fingerprint say ``type=fingerprint_or_digits``.
    """

    def parse_known_args(  # type: ignore[override]  # typeshed has a second, generic form
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse; ``parse_args`` and the parsers of commands come by here."""
        words = sys.argv[1:] if args is None else args
        shown = [f" {word}" if _HYPHENED_FINGERPRINT.fullmatch(word) else word for word in words]
        return super().parse_known_args(shown, namespace)


def fingerprint_or_digits(text: str) -> str:
    """A fingerprint, also in groups, or the first characters of an id."""
    return "".join(text.split())


def add_home(parser: argparse.ArgumentParser, default: Path) -> None:
    """``--home DIR``: the role's folder."""
    parser.add_argument(
        "--home",
        type=Path,
        default=default,
        metavar="DIR",
        help=f"where your keys and settings are (default {default})",
    )


def add_passphrase(parser: argparse.ArgumentParser, *, new: bool = False) -> None:
    """``--passphrase-file FILE``, or ``--new-passphrase-file FILE``."""
    parser.add_argument(
        "--new-passphrase-file" if new else "--passphrase-file",
        type=Path,
        metavar="FILE",
        help=f"a file whose first line is the {'new ' * new}passphrase",
    )


HOW_TO_UNLOCK = """\
Commands that need your private keys ask for your passphrase. They take it without asking
from the first line of --passphrase-file, else from CLIP_AGENT_PASSPHRASE in the environment.
"""


def add_command(
    commands: Commands, name: str, function: str, text: str, *, examples: str = ""
) -> argparse.ArgumentParser:
    """A command that runs ``function``, a dotted name such as ``package.module:function``.

    Only the chosen command's module is imported, so the command line is quick to build.
    """
    command = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter
        if examples
        else argparse.HelpFormatter,
    )
    command.set_defaults(run=function)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Run the command that was chosen; returns its exit code."""
    code: int = pkgutil.resolve_name(arguments.run)(arguments)
    return code


def add_broker(
    parser: argparse.ArgumentParser,
    *,
    required: bool = True,
    otherwise: str = "only needed to post",
) -> None:
    """The broker to talk to; :func:`broker` reads it. ``otherwise``: without it."""
    parser.add_argument(
        "--broker",
        required=required,
        metavar="HOST[:PORT]",
        help="the MQTT broker's address" + ("" if required else f"; {otherwise}"),
    )
    parser.add_argument("--username", metavar="NAME", help="user at the broker")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="its first line is the password"
    )
    parser.add_argument("--tls", action="store_true", help="TLS, with the system's certificates")
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="TLS, trusting these certificates (PEM)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def broker(arguments: argparse.Namespace) -> Broker:
    """The broker's settings from the options; ConfigError names what is wrong."""
    uses_tls = arguments.tls or arguments.ca_file is not None
    host, port = split_address(arguments.broker, default_port=8883 if uses_tls else 1883)
    plain: dict[str, Any] = {"host": host, "port": port, "username": arguments.username}
    if arguments.password_file is not None:
        if arguments.username is None:
            raise ConfigError("--password-file needs --username beside it")
        plain["password_file"] = str(arguments.password_file.resolve())
    if uses_tls:
        ca_file = arguments.ca_file
        plain["tls"] = {"ca_file": None if ca_file is None else str(ca_file.resolve())}
    try:
        return msgspec.convert(plain, Broker, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise ConfigError(f"--broker {arguments.broker}: {error}") from error


def split_address(text: str, *, default_port: int) -> tuple[str, int]:
    """``HOST[:PORT]`` or ``[IPV6][:PORT]``; ConfigError for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default_port)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 <= int(port) <= 65_535:
        raise ConfigError(f"{text!r} is not an address of the form HOST:PORT")
    return host, int(port)


def confirm(question: str, *, yes: bool) -> None:
    """Return if ``yes`` was given or the person at the terminal says so; else Refused."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(
            "not-confirmed", "there is no terminal to ask for your consent", advice="Give --yes"
        )
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise Refused("not-confirmed", "nothing was done")


def moment(text: str) -> float:
    """A time in ISO 8601; without a zone it is local time."""
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2024-01-24T18:30"
        ) from error
