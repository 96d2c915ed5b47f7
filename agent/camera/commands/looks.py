"""Looks: still pictures for an owner who asks what the camera sees, one a second for minutes.

A picture is the small one in which motion is looked for, with the privacy zones painted over. It is
sealed to the owner who asked (:mod:`agent.vault.stills`), also while recording is off: whoever
mounts a camera must see where it points. Nothing of it stays: a look ends by its time, by an
owner's command, or with the process, and its file goes with it.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from agent.camera.recording.thumbnail import jpeg
from agent.camera.source import Frame
from agent.clock import Clock
from agent.errors import Refused, StorageFault
from agent.vault import stills
from agent.vault.stills import Still, StillFiles

_MOST_AT_ONCE = 4
_PACE_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Look:
    """A look under way; times are monotonic."""

    digest: str
    recipient: str
    until: float
    number: int = 0
    next_at: float = 0.0


class Looks:
    """Gives pictures to the owners who look; ``recipients`` are their age keys by fingerprint."""

    def __init__(self, files: StillFiles, recipients: Mapping[str, str], clock: Clock) -> None:
        self._files = files
        self._recipients = recipients
        self._clock = clock
        self._looks: dict[str, _Look] = {}

    def start(self) -> None:
        """Remove what an earlier run left."""
        self._files.clear()

    def begin(self, digest: str, owner: str, seconds: int) -> None:
        """Give ``owner`` pictures under the command ``digest`` for ``seconds`` from now."""
        self.tick()
        if len(self._looks) >= _MOST_AT_ONCE:
            raise Refused("too-many-looks", f"{_MOST_AT_ONCE} owners look already")
        until = self._clock.monotonic() + min(seconds, stills.MAX_SECONDS)
        self._looks[digest[:16]] = _Look(digest, self._recipients[owner], until)

    def end(self, name: str) -> None:
        """End the look whose digest begins with ``name``, if it is not over."""
        if name in self._looks:
            self._end(name)

    def picture(self, frame: Frame) -> None:
        """Give ``frame`` to each look that waits for the next picture."""
        now = self._clock.monotonic()
        for name, look in [*self._looks.items()]:
            if now >= look.until:
                self._end(name)
            elif now >= look.next_at:
                look.next_at = now + _PACE_SECONDS
                self._give(name, look, frame)

    def tick(self) -> None:
        """End what is over; a camera may give no pictures meanwhile."""
        now = self._clock.monotonic()
        for name in [name for name, look in self._looks.items() if now >= look.until]:
            self._end(name)

    def stop(self) -> None:
        """End all."""
        for name in [*self._looks]:
            self._end(name)

    def _give(self, name: str, look: _Look, frame: Frame) -> None:
        made = jpeg(frame)
        if made is None or len(made) > stills.MAX_JPEG_BYTES:
            return
        text = base64.b64encode(made).decode("ascii")
        at = max(0.0, self._clock.now())
        still = Still(look=look.digest, number=look.number, at=at, picture=text)
        look.number += 1
        try:
            self._files.write(name, stills.sealed(still, look.recipient))
        except StorageFault as fault:
            _log.warning("no picture for an owner who looks: %s", fault)

    def _end(self, name: str) -> None:
        del self._looks[name]
        try:
            self._files.remove(name)
        except StorageFault as fault:
            _log.warning("the last picture of a look stays: %s", fault)
