"""Clips that an unlocked browser plays: open in memory, forgotten at the lock.

A clip is fetched from its camera once, and made ready as often as the owner changes an edit. A
session keeps what was used last, up to a bound in bytes; the clip that is played now always stays.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

import msgspec

from agent.consent.statements import ApprovedClip, ClipOffer
from agent.owner.client import OwnerClient
from agent.owner.console.sessions import Session
from agent.owner.pictures import footage
from agent.owner.pictures.footage import Footage, Rendering
from agent.owner.visit.clip_transfer import Progress

MOST_BYTES = 96_000_000  # of a session, all clips and what was made of them
_MEMORY = "screening"


class Screening:
    """The open clips of one session; ``of`` gives that of a session."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Footage | Rendering] = OrderedDict()

    @classmethod
    def of(cls, session: Session) -> Screening:
        """The open clips of ``session``."""
        found = session.memory.setdefault(_MEMORY, cls())
        assert isinstance(found, cls)
        return found

    def open_clip(
        self,
        client: OwnerClient,
        session: Session,
        device: str,
        offer: ClipOffer,
        progress: Progress | None = None,
    ) -> Footage:
        """The clip as recorded, fetched if need be."""
        name = f"{device} {offer.id} {offer.sha256}"
        found = self._find(name)
        if not isinstance(found, Footage):
            found = client.open_clip(device, offer, session.keys, progress, brief=True)
            self._keep(name, found)
        return found

    def render(self, opened: Footage, shown: ApprovedClip) -> tuple[str, Rendering]:
        """The clip as it would leave, and the name under which :meth:`find` has it."""
        text = msgspec.json.encode((opened.device, opened.key, shown))
        name = hashlib.sha256(text).hexdigest()[:32]
        found = self._find(name)
        if not isinstance(found, Rendering):
            found = footage.render(opened, shown)
            self._keep(name, found)
        return name, found

    def find(self, name: str) -> Rendering | None:
        """The clip that was made before, unless it was forgotten for others."""
        found = self._find(name)
        return found if isinstance(found, Rendering) else None

    def _find(self, name: str) -> Footage | Rendering | None:
        with self._lock:
            found = self._kept.get(name)
            if found is not None:
                self._kept.move_to_end(name)
            return found

    def _keep(self, name: str, one: Footage | Rendering) -> None:
        with self._lock:
            self._kept[name] = one
            while len(self._kept) > 2 and sum(map(_size, self._kept.values())) > self._most_bytes:
                self._kept.popitem(last=False)


def _size(one: Footage | Rendering) -> int:
    return len(one.plain) if isinstance(one, Footage) else len(one.mp4)
