"""``clip-agent owner ...``: the options; what the commands do is in :mod:`.reading`,
:mod:`.deciding`, :mod:`.refusing` and, for keys and cards, here."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent import options
from agent.owner.terminal import prompts as steps
from agent.owner.terminal import read as reading
from agent.owner.terminal import refuse as refusing
from agent.owner.terminal import release as deciding

if TYPE_CHECKING:
    from agent.consent.statements import Box, Trim

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

DEFAULT_HOME = Path("~/.config/clip-agent/owner")
_REQUEST = "the first digits of its digest"
_ANSWER_SECONDS = 15.0


def register(groups: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the group ``owner``."""
    text = "your keys, who asks for your clips, and your answers"
    group = groups.add_parser("owner", help=text, description=text)
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    _register_keys(commands)
    _register_reading(commands)
    _register_releasing(commands)
    _register_refusing(commands)


def _register_keys(commands: Commands) -> None:
    init = _add(commands, "init", _init, "make your keys and a recovery sheet")
    init.add_argument("--name", default="owner", help="how your cameras call you")
    options.add_broker(init)
    options.add_passphrase(init)

    card = _add(commands, "card", _card, "print your card, or enrol a camera")
    card.add_argument("--add", type=Path, metavar="FILE", help="a camera's device.card.yaml")


def _register_reading(commands: Commands) -> None:
    inbox = _add(commands, "inbox", reading.inbox, "collect and list what the cameras tell you")
    options.add_json(inbox)
    options.add_passphrase(inbox)
    _add_wait(inbox, "wait this long for a request if none is open")

    show = _add(commands, "show", reading.show, "a request in full, with its clips, or a notice")
    show.add_argument("request", help=_REQUEST)
    options.add_json(show)

    clips = _add(commands, "clips", reading.clips, "ask the cameras which clips they hold")
    clips.add_argument(
        "--from",
        dest="start",
        type=_moment,
        metavar="TIME",
        help="2024-01-24T18:30, your local time unless it says another (default: a day ago)",
    )
    clips.add_argument(
        "--to", dest="end", type=_moment, metavar="TIME", help="likewise (default: now)"
    )
    _add_camera(clips, "this camera alone")
    options.add_json(clips)
    options.add_passphrase(clips)

    text = "see a clip before you decide; trimmed and redacted as it would be sent, if you like"
    preview = _add(commands, "preview", reading.preview, text)
    _add_clip(preview)
    _add_edits(preview)

    save = _add(commands, "save", reading.save, "keep a clip as a file")
    _add_clip(save)
    save.add_argument("--output", type=Path, metavar="FILE", help="default: <clip>.mp4")
    save.add_argument("--sealed", action="store_true", help="as it lies on the camera, unopened")


def _register_releasing(commands: Commands) -> None:
    approve = _add(
        commands,
        "approve",
        deciding.approve,
        "let clips go to the author of a request; more of them later, if you like",
    )
    approve.add_argument("request", help=_REQUEST)
    share = _add(commands, "share", deciding.share, "give clips to somebody who has not asked")
    for command in (approve, share):
        command.add_argument("clips", nargs="*", metavar="clip", help="number or id of a clip")
        _add_edits(command)
        for field in ("name", "address", "email"):
            command.add_argument(f"--tell-{field}", metavar="TEXT", help=f"tell them your {field}")
        command.add_argument(
            "--with",
            dest="joins",
            metavar="RELEASE",
            help="agree to exactly what another owner of your household has approved",
        )
        command.add_argument(
            "--days",
            type=float,
            default=2.0,
            help="how long the camera may try (default 2, at most 7)",
        )
        _add_wait(command, "stay for what becomes of it, at most this long")
        _add_yes(command)
    share.add_argument("--to", type=Path, metavar="CARD", help="their requester.card.yaml")
    share.add_argument("--url", help="where to upload to, on a host that their card names")
    _add_camera(share, "clips are numbered as this camera last listed them")
    share.add_argument(
        "--allow-loopback-http",
        action="store_true",
        help="take http://127.0.0.1 for upload: for demonstrations and tests only",
    )


def _register_refusing(commands: Commands) -> None:
    decline = _add(commands, "decline", refusing.decline, "answer a request with silence, for good")
    decline.add_argument("request", help=_REQUEST)
    decline.add_argument("--mute", action="store_true", help="and hear no more of who asks")
    revoke = _add(commands, "revoke", refusing.revoke, "stop a release that has not been sent")
    revoke.add_argument("release", help="the first digits of its id")
    mute = _add(commands, "mute", refusing.mute, "hear no more of a requester")
    unmute = _add(commands, "unmute", refusing.unmute, "hear of a requester again")
    for command in (mute, unmute):
        command.add_argument(
            "requester",
            type=options.fingerprint_or_digits,
            help="their fingerprint, or the first digits of a request of theirs",
        )
    pause = _add(commands, "pause", refusing.pause, "see no requests until you resume")
    resume = _add(commands, "resume", refusing.resume, "see requests again, and those still open")
    for command in (decline, revoke, mute):
        _add_yes(command)
    for command in (unmute, pause, resume):
        options.add_passphrase(command)
    for command in (mute, unmute, pause, resume):
        _add_camera(command, "tell this camera alone")
    for command in (decline, revoke, mute, unmute, pause, resume):
        _add_wait(command, "wait for the camera's answer this long", default=_ANSWER_SECONDS)


def _add(commands: Commands, name: str, function: object, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    options.add_home(command, DEFAULT_HOME)
    command.set_defaults(run=function)
    return command


def _add_clip(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "clip", help="id of a clip, or its number as `clips`, or with --request `show`, says it"
    )
    command.add_argument("--request", help="the first digits of the request's digest")
    _add_camera(command, "the camera that has listed it")
    options.add_passphrase(command)


def _add_edits(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--trim",
        type=_trim,
        action="append",
        default=[],
        metavar="CLIP=FROM-TO",
        help="only this part may leave, in seconds from the clip's start: 1=2.5-10",
    )
    command.add_argument(
        "--redact",
        type=_redact,
        action="append",
        default=[],
        metavar="CLIP=X,Y,W,H",
        help="fill a box with grey; left, top, width, height as shares of the picture: "
        "1=0.5,0,0.5,1 is its right half",
    )


def _add_camera(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--camera", metavar="NAME", help=text)


def _add_yes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="do not ask again")
    options.add_passphrase(command)


def _add_wait(command: argparse.ArgumentParser, text: str, *, default: float = 0.0) -> None:
    if default:
        text += f" (default {default:g})"
    command.add_argument("--wait", type=float, default=default, metavar="SECONDS", help=text)


def _trim(text: str) -> tuple[str, Trim]:
    from agent.owner.decisions import selection as choosing

    try:
        return choosing.parse_trim(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _redact(text: str) -> tuple[str, Box]:
    from agent.owner.decisions import selection as choosing

    try:
        return choosing.parse_redact(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _moment(text: str) -> float:
    """A time in ISO 8601; without a zone it is this computer's."""
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2024-01-24T18:30"
        ) from error


# Keys and cards


def _init(arguments: argparse.Namespace) -> int:
    import time

    from agent import keyfile
    from agent.owner import keys
    from agent.owner.folder import OwnerFolder, Settings

    settings = Settings(mqtt=options.broker(arguments))
    keyfile.refuse_existing(OwnerFolder(arguments.home).key_path)
    passphrase = keyfile.obtain_passphrase(arguments.passphrase_file, new=True)
    owner = keys.make(arguments.name, passphrase, now=time.time())
    home = OwnerFolder.create(arguments.home, owner, settings)
    print(f"Your keys:       {home.key_path}, opened by your passphrase alone")
    print(f"Your card:       {home.card_path}, for your cameras (owners: in agent.yaml)")
    print(f"Recovery sheet:  {home.path / 'recovery.txt'}")
    print("Print the recovery sheet, keep it on paper, and delete the file.")
    return 0


def _card(arguments: argparse.Namespace) -> int:
    from agent.consent.cards import format_card

    home = steps.home(arguments)
    if arguments.add is None:
        print(format_card(home.card()), end="")
        return 0
    card = home.enrol(arguments.add)
    print(f"enrolled the camera {card.name} with the key {card.fingerprint}")
    return 0
