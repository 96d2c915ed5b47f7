"""The file ``camera/state.json``: what the camera says of itself, for everybody who may read.

The camera replaces it when something in it changes, never on a timer. The gateway and the
commands decode it strictly: the camera process may have been taken over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agent import __version__, files
from agent.consent import decoding
from agent.consent.statements import (
    AgeRecipient,
    Arming,
    Line,
    Name,
    Part,
    ReleaseId,
)
from agent.errors import ClipDamaged, MalformedStatement
from agent.vault.wishes import Switch

MAX_BYTES: Final = 65_536
MAX_ANSWERS: Final = 50
_RUNNING = ("armed", "disarmed", "recording", "disk-full", "storage-failed", "no-frames")
State = Annotated[str, Meta(pattern=r"\A[a-z0-9 -]{1,20}\Z")]
Encoder = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_. ()]{0,40}\Z")]
Time = Annotated[float, Meta(ge=0, le=253_402_300_799)]


class CommandAnswer(Part, frozen=True):
    """The outcome of an owner's command, named by the first 16 digits of its digest."""

    command: ReleaseId
    event: Literal["DONE", "REFUSED"]
    detail: Line


class CameraState(Part, frozen=True):
    """Health, whom the running camera seals to, and the last answers to owners' commands.

    Times are Unix seconds. ``motion``: something moves, or did seconds ago. ``switch`` is the last
    word of Home Assistant's switch. ``answers`` holds the newest, the oldest first. The words are
    few and short: a camera that was taken over must not speak through the gateway.
    """

    state: State
    detail: Line
    at: Time
    version: Name
    encoder: Encoder = ""
    motion: bool = False
    last_motion_at: Time | None = None
    seals_to: Annotated[tuple[AgeRecipient, ...], Meta(max_length=32)] = ()
    arming: Arming = Arming(armed=True)
    switch: Switch | None = None
    answers: Annotated[tuple[CommandAnswer, ...], Meta(max_length=MAX_ANSWERS)] = ()


def path_of(state_dir: Path) -> Path:
    """The camera's state file below ``state_dir``."""
    return state_dir / "camera" / "state.json"


def decode(data: bytes) -> CameraState:
    """A state from bytes; raises :class:`MalformedStatement` by the name of the rule."""
    return decoding.decode(data, CameraState, MAX_BYTES)


def read(state_dir: Path) -> CameraState | None:
    """The state of the camera; None if it never said any, or nothing that we understand."""
    try:
        with files.open_regular(path_of(state_dir), folders=1) as file:
            return decode(file.read(MAX_BYTES + 1))
    except (ClipDamaged, MalformedStatement, OSError):
        return None


@dataclass(eq=False)
class StateReader:
    """Reads the state again only after its file has changed."""

    state_dir: Path
    _stamp: tuple[int, int] | None = field(default=None, init=False)
    _read: CameraState | None = field(default=None, init=False)

    def now(self) -> CameraState | None:
        """See :func:`read`."""
        try:
            found = path_of(self.state_dir).lstat()
            stamp = (found.st_ino, found.st_mtime_ns)
        except OSError:
            stamp = None
        if stamp != self._stamp or stamp is None:
            self._stamp, self._read = stamp, read(self.state_dir)
        return self._read


class StateFile:
    """The state that this camera writes; what an earlier run wrote is kept until it changes."""

    def __init__(self, state_dir: Path, *, seals_to: tuple[str, ...]) -> None:
        self._path = path_of(state_dir)
        known = read(state_dir)
        self.is_whole = known is not None  # the file of an earlier run
        before = known or CameraState(state="starting", detail="", at=0, version="")
        self._written: CameraState | None = None
        self.said = msgspec.structs.replace(before, version=__version__, seals_to=seals_to)

    def recall(self, arming: Arming) -> None:
        """Take over what an owner last said; the next word brings it to the file."""
        self.said = msgspec.structs.replace(self.said, arming=arming)

    def say(self, *, at: float, **changes: Any) -> None:
        """Write ``changes`` if there are any; :class:`StorageFault` when that fails."""
        if "detail" in changes:
            changes["detail"] = _one_line(changes["detail"])
        said = msgspec.structs.replace(self.said, **changes)
        if said == self._written:
            return
        said = msgspec.structs.replace(said, at=max(0.0, at))
        files.replace(self._path, decoding.encode(said))
        self.said = self._written = said


def _one_line(text: str) -> str:
    """``text`` as the state can hold it."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))[:200]


def judged_state(said: CameraState | None, *, running: bool, restarts: bool = False) -> str:
    """The camera's state, judged by its last word and its lock.

    A process that ended for want of frames is started again in ten seconds; while
    ``restarts`` says so it still counts as ``no-frames``.
    """
    if said is None:
        return "never started"
    if running or (restarts and said.state == "no-frames"):
        return said.state
    return "not-running" if said.state in _RUNNING else said.state
