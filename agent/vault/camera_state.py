"""The file ``camera/state.json``: what the camera says of itself, for everybody who may read.

The camera replaces it when something in it changes, never on a timer. The gateway and the
commands decode it strictly: the camera process may have been taken over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta

from agent.consent import decoding
from agent.consent.statements import (
    AgeRecipient,
    Arming,
    Line,
    Name,
    Part,
    ReleaseId,
)

MAX_BYTES: Final = 65_536
MAX_ANSWERS: Final = 50


class CommandAnswer(Part, frozen=True):
    """What became of an owner's command: the first 16 digits of its digest, and why not."""

    command: ReleaseId
    event: Literal["DONE", "REFUSED"]
    detail: Line


class CameraState(Part, frozen=True):
    """Health, whom the running camera seals to, and the last answers to owners' commands.

    Times are Unix seconds. ``answers`` holds the newest, the oldest first.
    """

    state: Name
    detail: Line
    at: Annotated[float, Meta(ge=0)]
    version: Name
    encoder: Name = ""
    last_motion_at: Annotated[float, Meta(ge=0)] | None = None
    seals_to: Annotated[tuple[AgeRecipient, ...], Meta(max_length=32)] = ()
    arming: Arming = Arming(armed=True)
    answers: Annotated[tuple[CommandAnswer, ...], Meta(max_length=MAX_ANSWERS)] = ()


def path_of(state_dir: Path) -> Path:
    """The camera's state file below ``state_dir``."""
    return state_dir / "camera" / "state.json"


def decode(data: bytes) -> CameraState:
    """A state from bytes; raises :class:`MalformedStatement` by the name of the rule."""
    return decoding.decode(data, CameraState, MAX_BYTES)
