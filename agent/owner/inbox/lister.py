"""Ask a camera for all its clips of a time, page by page, the newest first.

A letter names at most 200 clips, the newest ones, and how many more there are. The next question
ends where that page begins, so a clip of the same second may come twice and counts once.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.clock import Clock
from agent.consent.cards import DeviceCard
from agent.consent.statements import ClipOffer, ListClips, Window
from agent.keyfile import Keys
from agent.mqtt.session import Session
from agent.owner.decisions import sign
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import TimelineClip
from agent.owner.visit import broker

_MOST_PAGES = 60  # of a camera: 12,000 clips


class Lister:
    """Lists the clips of cameras; ``cut`` is true once some were left out for their number."""

    def __init__(
        self, inbox: Inbox, keys: Keys, clock: Clock, progress: Callable[[int, int], None] | None
    ) -> None:
        self._inbox = inbox
        self._keys = keys
        self._clock = clock
        self._progress = progress
        self._count = 0
        self.cut = False

    def all(self, session: Session, card: DeviceCard, window: Window) -> list[TimelineClip] | None:
        """All clips of ``window``; None if the camera does not answer.

        Raises :class:`Refused` if it refuses.
        """
        found: dict[str, ClipOffer] = {}
        for _ in range(_MOST_PAGES):
            now = self._clock.now()
            what = ListClips(window=window)
            command = sign.sign(sign.command(what, card, now=now), self._keys, now=now)
            broker.send(session, command)
            message = broker.list_letter(session, command, self._keys)
            if message is None:
                return None
            page = self._inbox.take_page(card.name, message.payload, self._keys, now=now)
            new = [one for one in page.clips if one.id not in found]
            found |= {one.id: one for one in new}
            if self._progress is not None:
                self._progress(self._count + len(found), self._count + len(found) + page.more_clips)
            if not page.more_clips or not page.clips:
                break
            first = min(one.started_at for one in page.clips)
            end = min(first if new else first - 1, window.end - 1)
            if end <= window.start:
                break
            window = Window(start=window.start, end=end)
        else:
            self.cut = True
        self._count += len(found)
        closed = {clip for one in self._inbox.paged_closed(card.name) for clip in one.ids}
        return [TimelineClip(card.name, one, one.id in closed) for one in found.values()]
