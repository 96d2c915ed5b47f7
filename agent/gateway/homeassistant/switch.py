"""Switch in Home Assistant that arms and disarms, for owners who set ``may_arm: true``.

No owner signs it, so it decides only where no owner's own ``arm`` or ``disarm`` stands, in place of
the schedule. The camera checks that by itself, by its own configuration
(:mod:`agent.camera.commands.owner_commands`). Here each word becomes a line of the ledger and a
wish for the camera; a word that changes nothing becomes neither. Whoever may write the topic could
fill the ledger, so a burst of words is taken, and then one in five minutes: the last one counts.
"""

from __future__ import annotations

import logging
from typing import Final

from agent.gateway.unit_of_work import UnitOfWork
from agent.mqtt.link import Received
from agent.vault.camera_state import StateReader
from agent.vault.records.events import Event
from agent.vault.wishes import Switch

_BURST: Final = 20.0
_SECONDS_EACH: Final = 300.0
_WORDS: Final = {b"ON": True, b"OFF": False}

log = logging.getLogger(__name__)


class ArmSwitch:
    """The switch; ``word`` is the last one that the camera was told, also by an earlier run."""

    def __init__(self, work: UnitOfWork, camera: StateReader, word: Switch | None) -> None:
        self._work, self._camera, self.word = work, camera, word
        self._asked: bool | None = None
        self._left, self._counted_at = _BURST, work.clock.monotonic()

    def receive(self, received: Received) -> None:
        """Take a word. A retained one is old, and would come again with each connection."""
        armed = _WORDS.get(received.payload)
        if received.retained or armed is None:
            log.warning("ignored a message for the switch: not ON or OFF, or retained")
        else:
            self._asked = armed

    def tick(self) -> None:
        """Note the last word in the ledger and let the camera see it, if it changes something."""
        if self._asked is None or not self._may_note():
            return
        asked, self._asked = self._asked, None
        said, now = self._camera.now(), int(self._work.clock.now())
        wish = {"wish": "record" if asked else "stop recording"}
        if said is not None and not said.arming.is_free:
            self._note(Event.CAMERA_SWITCH_IGNORED, wish)
        elif not self._stands(asked, 0 if said is None else said.arming.at or 0):
            self._note(Event.CAMERA_SWITCHED, wish)
            self.word = Switch(armed=asked, at=now)

    def _stands(self, asked: bool, owner_at: int) -> bool:
        """True if the camera was told the same since an owner last spoke."""
        return self.word is not None and self.word.armed == asked and self.word.at > owner_at

    def _note(self, event: Event, detail: dict[str, str]) -> None:
        self._left -= 1
        with self._work.transaction() as change:
            change.note(event, "", detail)

    def _may_note(self) -> bool:
        now = self._work.clock.monotonic()
        self._left = min(_BURST, self._left + (now - self._counted_at) / _SECONDS_EACH)
        self._counted_at = now
        return self._left >= 1
