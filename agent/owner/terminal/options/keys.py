"""Commands about keys and cards, and the pairing that exchanges them."""

from __future__ import annotations

from pathlib import Path

from agent import options
from agent.options import Commands
from agent.owner.pairing import options as pairing_options
from agent.owner.terminal.options.base import DEFAULT_HOME, add

_RECOVER_EXAMPLES = """\
  clip-agent owner recover recovery.txt 20240124-183015-3f9a2c.mp4.age
  clip-agent owner recover recovery.txt /media/card/camera/clips --output clips
"""


def register(commands: Commands) -> None:
    """Add the commands."""
    init = add(commands, "init", "keys:init", "make your keys and a recovery sheet")
    init.add_argument("--name", default="owner", help="your name, as your cameras show it")
    options.add_broker(init)
    options.add_passphrase(init)

    text = "pair with a camera that shows a code, and make your keys if you have none"
    pair = options.add_command(
        commands,
        "pair",
        "agent.owner.pairing.command:pair",
        text,
        examples=pairing_options.EXAMPLES,
    )
    options.add_home(pair, DEFAULT_HOME)
    pairing_options.add(pair)

    text = "change the passphrase of your key file"
    passphrase = add(commands, "passphrase", "keys:passphrase", text)
    options.add_passphrase(passphrase)
    options.add_passphrase(passphrase, new=True)

    text = "list the passkeys that open your keys, or remove one"
    passkeys = add(commands, "passkeys", "keys:passkeys", text)
    passkeys.add_argument("--remove", metavar="ID", help="delete the file of a passkey")
    options.add_json(passkeys)

    text = "make the key for `owner watch`, or change what its messages hold"
    notify = add(commands, "notification-key", "keys:notification_key", text)
    notify.add_argument(
        "--content", choices=["yes", "no"], help="titles and names of requesters in its messages"
    )
    notify.add_argument("--new", action="store_true", help="replace the key by a new one")

    text = "open clips with your recovery sheet, and see how to go on without your keys"
    recover = add(commands, "recover", "keys:recover", text, examples=_RECOVER_EXAMPLES)
    recover.add_argument(
        "paper", type=Path, metavar="PAPER", help="a file with the last line of the sheet; -: stdin"
    )
    recover.add_argument(
        "clips", type=Path, nargs="*", metavar="clip", help="a sealed clip, or a folder of them"
    )
    recover.add_argument(
        "--output", type=Path, default=Path(), metavar="DIR", help="for the videos (default: here)"
    )

    card = add(commands, "card", "keys:card", "print your public key card, or enrol a camera")
    change = card.add_mutually_exclusive_group()
    change.add_argument("--add", type=Path, metavar="FILE", help="a camera's device.card.yaml")
    change.add_argument("--remove", metavar="NAME", help="forget a camera and what it wrote")
