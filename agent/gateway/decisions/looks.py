"""Looks on their way: the camera's sealed pictures, published as they appear, for minutes.

The camera obeys the owner's command itself and writes each picture to a file
(:mod:`agent.vault.stills`). Only while such a command may be at work is its file read: the camera's
process may have been taken over, and has no other way to the broker. One picture of a look is
under way at a time; on a slow link the ones between are left out. None is retained.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.clock import Clock
from agent.consent import age_header
from agent.errors import ClipDamaged, NetworkFault, StorageFault
from agent.mqtt import topics
from agent.mqtt.link import Link
from agent.vault.stills import StillFiles

_MOST_AT_ONCE = 4
_CAMERA_SECONDS = 30.0  # until the camera has read the command, and until it has ended
_PACE_SECONDS = 0.75  # a camera gives one a second


@dataclass(eq=False)
class _Look:
    until: float
    stamp: tuple[int, int] | None = None
    number: int = 0
    next_at: float = 0.0
    token: int | None = None  # of the picture under way


@dataclass(eq=False)
class Looks:
    """Publishes the pictures of the looks that it was told to follow."""

    files: StillFiles
    link: Link
    device_name: str
    clock: Clock
    _looks: dict[str, _Look] = field(default_factory=dict)

    def follow(self, look: str, seconds: int) -> None:
        """Publish what the camera gives for ``look``, the beginning of the command's digest."""
        while len(self._looks) >= _MOST_AT_ONCE:
            del self._looks[next(iter(self._looks))]
        self._looks[look] = _Look(self.clock.monotonic() + seconds + _CAMERA_SECONDS)

    def end(self, look: str) -> None:
        """Publish no more of ``look``."""
        self._looks.pop(look, None)

    def tick(self) -> None:
        """Publish each new picture; call it often."""
        now = self.clock.monotonic()
        for name, look in [*self._looks.items()]:
            if now >= look.until:
                self.end(name)
            elif look.token is None and now >= look.next_at:
                self._publish(name, look, now)

    def published(self, token: int) -> None:
        """The broker confirmed a message; if it was a picture, the next may go."""
        for look in self._looks.values():
            if look.token == token:
                look.token = None

    def disconnected(self) -> None:
        """Forget what was under way: the next picture is newer."""
        for look in self._looks.values():
            look.token = None

    def _publish(self, name: str, look: _Look, now: float) -> None:
        stamp = self.files.stamp(name)
        if stamp is None or stamp == look.stamp:
            return
        look.stamp, look.next_at = stamp, now + _PACE_SECONDS
        try:
            data = self.files.read(name)
            if not age_header.has_small_header(data):
                return
            topic = topics.preview(self.device_name, name, look.number)
            look.token = self.link.publish(topic, data, retained=False)
            look.number += 1
        except (ClipDamaged, StorageFault, NetworkFault):
            return  # the next one may come through
