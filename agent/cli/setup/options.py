"""The options of ``clip-agent setup``. Light to import."""

from __future__ import annotations

from pathlib import Path

from agent import options
from agent.cli.commands import add_config_option
from agent.options import Commands

_EXAMPLES = """\
  sudo clip-agent setup             a new camera: it asks, writes, and pairs with you
  sudo clip-agent setup --name garage    one more camera on this machine
  sudo clip-agent setup --dry-run   say what it would write
  sudo clip-agent setup --pair      pair with another owner, or another computer of yours
  sudo clip-agent setup --remove    take it back; clips, keys and ledger stay
"""


def register(groups: Commands) -> None:
    """Add the command."""
    text = "set this camera up: settings, keys, broker; then pair it with its owner"
    command = options.add_command(
        groups, "setup", "agent.cli.setup.command:setup", text, examples=_EXAMPLES
    )
    add_config_option(command)
    command.add_argument(
        "--name",
        help="name of this camera, such as front-door; one more, if this machine has another",
    )
    command.add_argument(
        "--place", metavar="LAT,LON", help="where it stands, such as 42.1015,-72.5898"
    )
    command.add_argument(
        "--camera", metavar="CAMERA", help="pi, a device, an rtsp:// address, or scene (a drawing)"
    )
    command.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="for clips, ledger and keys (default /var/lib/clip-agent, below it for one more)",
    )
    options.add_broker(command, required=False, otherwise="default: Mosquitto on this machine")
    command.add_argument(
        "--code", help="the code that another camera shows, whose broker (--broker) this one uses"
    )
    command.add_argument(
        "--no-tls", action="store_true", help="with --code: the broker has no TLS, for tests"
    )
    command.add_argument(
        "--address",
        metavar="HOST[:PORT]",
        help="the broker's address for your own computer (default: this machine's name)",
    )
    command.add_argument(
        "--mosquitto",
        type=Path,
        default=Path("/etc/mosquitto"),
        metavar="DIR",
        help="Mosquitto's folder (default /etc/mosquitto)",
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument("--pair", action="store_true", help="pair, even if there is an owner")
    which.add_argument("--no-pair", action="store_true", help="do not pair now")
    which.add_argument(
        "--remove",
        action="store_true",
        help="stop the services, and remove units, settings and the broker's part; clips, keys and"
        " the ledger stay",
    )
    command.add_argument("--dry-run", action="store_true", help="write nothing, and do not pair")
