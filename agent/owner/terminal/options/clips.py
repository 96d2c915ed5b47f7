"""Options by which an owner names a clip and its edits, and how they are read."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from agent import options
from agent.consent.statements import Redactions, Trim
from agent.owner.wording import redaction_text

REQUEST = "the first characters of its id"
_TRIM_FORM = "must be CLIP=FROM-TO, for example 1=2.5-10"
EDITS = """\
  ... --trim 1=2.5-10             only seconds 2.5 to 10 of clip 1
  ... --redact 1=0.5,0,0.5,1      the right half of clip 1 covered with grey
  ... --redact 1=4-9@0.5,0,0.5,1  the same, but only from second 4 to second 9
  ... --redact 1=2:0.1,0.2,0.1,0.3/6:0.5,0.2,0.1,0.3   a box that moves from second 2 to 6
  ... --redact 1=@walker.yaml     positions of boxes from a file
"""


def add_clip(command: argparse.ArgumentParser) -> None:
    """The clip, and where it was listed; unlocks the keys."""
    command.add_argument(
        "clip", help="id of a clip, or its number in `clips` or, with --request, in `show`"
    )
    command.add_argument("--request", help=REQUEST)
    add_camera(command, "the camera that has listed it")
    options.add_passphrase(command)


def add_sheet(command: argparse.ArgumentParser) -> None:
    """``--sheet``"""
    text = "fetch the thumbnails of the clips into a page for your browser, a plain copy"
    command.add_argument("--sheet", type=Path, metavar="FILE.html", help=text)


def add_trim(command: argparse.ArgumentParser) -> None:
    """``--trim``"""
    command.add_argument(
        "--trim",
        type=parse_trim,
        action="append",
        default=[],
        metavar="CLIP=FROM-TO",
        help="only this part may leave, in seconds from the clip's start",
    )


def add_edits(command: argparse.ArgumentParser) -> None:
    """``--trim``, ``--redact`` and ``--as``"""
    add_trim(command)
    command.add_argument(
        "--redact",
        type=parse_redact,
        action="append",
        default=[],
        metavar="CLIP=X,Y,W,H",
        help="cover a box with grey: left, top, width, height as shares of the picture; "
        "SECONDS:X,Y,W,H/... for one that moves, FROM-TO@ before it for a part of the time",
    )
    command.add_argument(
        "--as",
        dest="codec",
        choices=["h264"],
        help="convert clips that some browsers do not play, such as H.265, to H.264",
    )


def add_camera(command: argparse.ArgumentParser, text: str) -> None:
    """``--camera``"""
    command.add_argument("--camera", metavar="NAME", help=text)


def parse_trim(text: str) -> tuple[str, Trim]:
    """``CLIP=FROM-TO`` in seconds from the clip's start."""
    clip, _, span = text.partition("=")
    try:
        start, end = map(float, span.split("-"))
        trim = msgspec.convert({"from_seconds": start, "to_seconds": end}, Trim)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(_TRIM_FORM) from error
    if not clip:
        raise argparse.ArgumentTypeError(_TRIM_FORM)
    return clip, trim


def parse_redact(text: str) -> tuple[str, Redactions]:
    """``CLIP=`` and a redaction as :mod:`agent.owner.wording.redaction_text` reads it."""
    clip, _, rest = text.partition("=")
    if not clip:
        raise argparse.ArgumentTypeError(
            "must name a clip: CLIP=X,Y,W,H, for example 1=0.5,0,0.5,1"
        )
    try:
        return clip, redaction_text.parse(rest)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
