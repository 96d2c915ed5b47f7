"""``clip-agent owner ...``: the commands and their options. Light to import."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from agent import options
from agent.options import Commands
from agent.owner.console import options as console_options
from agent.owner.terminal.options import clips as clip_options
from agent.owner.terminal.options import keys as key_commands
from agent.owner.terminal.options.base import DEFAULT_HOME, add
from agent.owner.watch import options as watch_options

_ANSWER_SECONDS = 15.0
_APPROVE_EXAMPLES = f"""\
  clip-agent owner approve 3f9a2c1b 1 3
  clip-agent owner approve 3f9a2c1b --with 8c31fb0a
{clip_options.EDITS}"""
_SHARE_EXAMPLES = f"""\
  clip-agent owner share 2 --to neighbour.card.yaml --url https://files.example/
{clip_options.EDITS}"""
_PREVIEW_EXAMPLES = f"""\
  clip-agent owner preview 1 --request 3f9a2c1b
  clip-agent owner preview 20240124-183015-3f9a2c
{clip_options.EDITS}"""

_FACES_EXAMPLES = """\
  clip-agent owner find-faces 1 --request 3f9a2c1b --output faces.yaml
  clip-agent owner preview 1 --request 3f9a2c1b --redact 1=@faces.yaml
"""

_SAVE_EXAMPLES = f"""\
  clip-agent owner save 2 --output party.mp4
  clip-agent owner save 2 --for-portal "Springfield PD, Axon" --max-bytes 250MB
{clip_options.EDITS}"""


def register(groups: Commands) -> None:
    """Add the group ``owner``."""
    text = "your keys, the requests for your clips, and your answers"
    group = groups.add_parser("owner", help=text, description=text, epilog=options.HOW_TO_UNLOCK)
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    key_commands.register(commands)
    _register_reading(commands)
    _register_clips(commands)
    _register_releasing(commands)
    _register_refusing(commands)
    _register_recording(commands)


def _register_reading(commands: Commands) -> None:
    text = "collect and list what the cameras tell you"
    inbox = add(commands, "inbox", "read:inbox", text)
    options.add_json(inbox)
    options.add_passphrase(inbox)
    _add_wait(inbox, "wait this long for a request if none is open")

    text = "stay connected and tell once of all that waits for you; needs no passphrase"
    watch = options.add_command(
        commands, "watch", "agent.owner.watch.command:watch", text, examples=watch_options.EXAMPLES
    )
    options.add_home(watch, DEFAULT_HOME)
    watch_options.add(watch)

    text = "show all this as pages in your browser, on this computer or behind your HTTPS"
    pages = options.add_command(
        commands,
        "console",
        "agent.owner.console.command:console",
        text,
        examples=console_options.EXAMPLES,
    )
    options.add_home(pages, DEFAULT_HOME)
    console_options.add(pages)

    text = "show what each camera last said of itself, and when"
    status = add(commands, "status", "reports.status_view:status", text)
    options.add_json(status)
    options.add_passphrase(status)

    text = "fetch a camera's ledger, check it, and print or save it"
    ledger = add(commands, "ledger", "reports.ledger_view:ledger", text)
    clip_options.add_camera(ledger, "that of this camera, if there are several")
    ledger.add_argument(
        "--offline", action="store_true", help="read what is on this computer, and fetch nothing"
    )
    ledger.add_argument("--anew", action="store_true", help="fetch all lines, not only new ones")
    ledger.add_argument("--output", type=Path, metavar="FILE", help="save as FILE.html or .jsonl")
    options.add_passphrase(ledger)

    text = "show a request in full with its clips, or a notice"
    show = add(commands, "show", "read:show", text)
    show.add_argument("request", help=clip_options.REQUEST)
    clip_options.add_camera(show, "as this camera reports it")
    options.add_json(show)
    clip_options.add_sheet(show)
    options.add_passphrase(show)


def _register_clips(commands: Commands) -> None:
    clips = add(commands, "clips", "read:clips", "ask the cameras which clips they hold")
    clips.add_argument(
        "--from",
        dest="start",
        type=options.moment,
        metavar="TIME",
        help="2024-01-24T18:30, in local time unless it names a zone (default: a day ago)",
    )
    clips.add_argument(
        "--to", dest="end", type=options.moment, metavar="TIME", help="the same (default: now)"
    )
    clip_options.add_camera(clips, "this camera only")
    options.add_json(clips)
    clip_options.add_sheet(clips)
    options.add_passphrase(clips)

    text = "look at a clip before you decide, as recorded or as it would be sent"
    preview = add(commands, "preview", "clips.preview:preview", text, examples=_PREVIEW_EXAMPLES)
    clip_options.add_clip(preview)
    clip_options.add_edits(preview)

    text = "propose boxes over the faces in a clip, in a file that --redact reads"
    faces = add(commands, "find-faces", "clips.faces:find_faces", text, examples=_FACES_EXAMPLES)
    clip_options.add_clip(faces)
    clip_options.add_trim(faces)
    faces.add_argument("--output", type=Path, metavar="FILE", help="default: <clip>-faces.yaml")

    save = add(
        *(commands, "save", "clips.save:save", "keep a clip as a file"), examples=_SAVE_EXAMPLES
    )
    clip_options.add_clip(save)
    save.add_argument(
        "--for-portal",
        metavar="NAME",
        help="for the form of this website: as a release would send it, with a page of facts and a"
        " line in the camera's ledger",
    )
    save.add_argument(
        "--max-bytes", type=_bytes, metavar="N", help="the most that the form takes, such as 250MB"
    )
    clip_options.add_edits(save)
    save.add_argument("--output", type=Path, metavar="FILE", help="default: <clip>.mp4")
    save.add_argument("--sealed", action="store_true", help="still encrypted, as the camera has it")


def _register_releasing(commands: Commands) -> None:
    text = "release clips to the author of a request; you can release more of them later"
    approve = add(commands, "approve", "release:approve", text, examples=_APPROVE_EXAMPLES)
    approve.add_argument("request", help=clip_options.REQUEST)
    text = "release clips to somebody who has not asked"
    share = add(commands, "share", "release:share", text, examples=_SHARE_EXAMPLES)
    for command in (approve, share):
        command.add_argument("clips", nargs="*", metavar="clip", help="number or id of a clip")
        clip_options.add_edits(command)
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
            help="days that the camera may try to send (default 2, at most 7)",
        )
        _add_wait(command, "wait up to this long for the outcome")
        _add_yes(command)
    share.add_argument("--to", type=Path, metavar="CARD", help="their requester.card.yaml")
    share.add_argument("--url", help="upload address, on a host that their card names")
    clip_options.add_camera(approve, "the camera whose clips are numbered, if several have some")
    clip_options.add_camera(share, "number the clips as this camera last listed them")
    share.add_argument(
        "--allow-loopback-http",
        action="store_true",
        help="accept http://127.0.0.1 for upload: for demonstrations and tests only",
    )


def _register_refusing(commands: Commands) -> None:
    text = "close a request for good, without telling anybody"
    decline = add(commands, "decline", "refuse:decline", text)
    decline.add_argument("request", help=clip_options.REQUEST)
    decline.add_argument("--mute", action="store_true", help="mute the requester too")
    revoke = add(commands, "revoke", "refuse:revoke", "stop a release that has not been sent yet")
    revoke.add_argument("release", help=clip_options.REQUEST)
    mute = add(commands, "mute", "refuse:mute", "get no more requests of a requester")
    unmute = add(commands, "unmute", "refuse:unmute", "get requests of a requester again")
    for command in (mute, unmute):
        command.add_argument(
            "requester",
            type=options.fingerprint_or_digits,
            help="their fingerprint, or the first characters of one of their requests",
        )
    text = "get no requests until you resume; recording goes on"
    pause = add(commands, "pause-requests", "refuse:pause_requests", text)
    text = "get requests again, and those that are still open"
    resume = add(commands, "resume-requests", "refuse:resume_requests", text)
    for command in (decline, revoke, mute):
        _add_yes(command)
    for command in (unmute, pause, resume):
        options.add_passphrase(command)
    for command in (mute, unmute, pause, resume):
        clip_options.add_camera(command, "tell this camera only")
    for command in (decline, revoke, mute, unmute, pause, resume):
        _add_wait(command, "wait this long for the camera's answer", default=_ANSWER_SECONDS)


def _register_recording(commands: Commands) -> None:
    arm = add(commands, "arm", "recording:arm", "record again when something moves")
    disarm = add(commands, "disarm", "recording:disarm", "record nothing until you arm again")
    delete = add(commands, "delete", "recording:delete", "delete a clip on the camera for good")
    keep = add(commands, "keep", "recording:keep", "spare a clip from being deleted for space")
    keep.add_argument("--no-longer", action="store_true", help="let it be deleted in its turn")
    arm.add_argument(
        "--by-schedule", action="store_true", help="record only at the times in its agent.yaml"
    )
    look = add(commands, "look", "recording:look", "see where a camera points, for five minutes")
    look.add_argument("camera", metavar="CAMERA", help="its name")
    look.add_argument(
        "--output", type=Path, required=True, metavar="FILE.jpg", help="replaced by each picture"
    )
    look.add_argument(
        "--seconds", type=int, default=300, metavar="N", help="at most 300, which is the default"
    )
    for command in (arm, look):
        options.add_passphrase(command)
    _add_yes(disarm)
    for command in (arm, disarm):
        clip_options.add_camera(command, "tell this camera only")
    for command in (delete, keep):
        clip_options.add_clip(command)
    delete.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    for command in (arm, disarm, delete, keep):
        _add_wait(command, "wait this long for the camera's answer", default=_ANSWER_SECONDS)


def _add_yes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    options.add_passphrase(command)


def _add_wait(command: argparse.ArgumentParser, text: str, *, default: float = 0.0) -> None:
    if default:
        text += f" (default {default:g})"
    command.add_argument("--wait", type=float, default=default, metavar="SECONDS", help=text)


def _bytes(text: str) -> int:
    """A number of bytes, perhaps in kB, MB or GB as websites state them."""
    found = re.fullmatch(r"(\d{1,15})\s*([kMG]?)B?", text.strip())
    if found is None or not (number := int(found[1])):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 250MB")
    return number * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[found[2]]
