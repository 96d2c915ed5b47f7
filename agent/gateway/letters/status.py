"""The status letters: the device tells each owner how it is, also when nothing is asked.

A letter is written when something in it changes, after each connection, and each hour, because
only a fresh word is one about now. It is made and kept in memory: an idle device writes
nothing to its card. Each is sealed to its owner, and to the device itself, which so learns
from the broker if its own state was set back. With each goes one to that owner's watcher, of
:mod:`.watch`.

News are what an owner must know at once. The number of clips, the last motion, recording switched
by a schedule, and ledger lines that no message at the broker tells of wait for the hour: a broker
sees when a letter comes, and must not learn from it that somebody walked by, or that a request was
refused.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from agent import __version__
from agent.config import Place
from agent.consent.cards import OwnerCard
from agent.consent.statements import (
    Arming,
    CameraPlace,
    HeldRelease,
    HouseholdOwner,
    OpenRequestItem,
    PartHealth,
    RequestsPause,
    Space,
    WatchItem,
)
from agent.errors import MalformedStatement, NetworkFault, Refused
from agent.gateway.device_state import DeviceState
from agent.gateway.letters import watch
from agent.gateway.letters.writer import one_line
from agent.gateway.unit_of_work import UnitOfWork
from agent.mqtt import topics
from agent.mqtt.link import Link
from agent.vault.camera_state import CameraState
from agent.vault.database.gateway import Health

log = logging.getLogger(__name__)

HOUR_SECONDS: Final = 3_600.0
_DAY_SECONDS: Final = 86_400.0
_LOOK_SECONDS: Final = 5.0
_MAX_OPEN, _MAX_MUTED, _MAX_HELD = 200, 200, 50  # as the statement has room for
_NEVER = Health(0.0, "never started", "")


@dataclass(eq=False)
class StatusLetters:
    """Writes and repeats the status letters, on the gateway's loop."""

    work: UnitOfWork
    link: Link
    device_state: DeviceState
    place: Place
    warnings: Callable[[], Iterable[str]]
    _told: Any = field(default=None, init=False)  # the news in the last letters
    _again_at: float = field(default=-math.inf, init=False)  # monotonic: the next hour
    _look_at: float = field(default=-math.inf, init=False)
    _failed: bool = field(default=False, init=False)
    _changes: int = field(default=-1, init=False)  # of our records at the last look

    def connected(self) -> None:
        """Write all letters anew: a new connection knows nothing."""
        self._again_at = self._look_at = -math.inf

    def tick(self) -> None:
        """Write the letters if there are news, or an hour is over."""
        now, changes = self.work.clock.monotonic(), self.work.database.own_changes()
        if changes == self._changes and now < self._look_at:
            return
        self._changes, self._look_at = changes, now + _LOOK_SECONDS
        try:
            self._write(now)
        except NetworkFault:
            return  # the next connection brings them
        except (MalformedStatement, ValueError, OverflowError) as error:  # a row that was forged
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            log.warning("a status letter cannot be written: %s", error)

    def _write(self, now: float) -> None:
        facts = self.facts()
        news = self._news(facts)
        if news != self._told or now >= self._again_at:
            for owner in self.work.parties.owners:
                topic = topics.status(self.work.parties.device_name, owner.fingerprint)
                self.link.publish(topic, self.work.write.status(owner, facts), retained=True)
                self._tell_watcher(owner, facts)
            self._told, self._again_at, self._failed = news, now + HOUR_SECONDS, False

    def _tell_watcher(self, owner: OwnerCard, facts: Mapping[str, Any]) -> None:
        """Write the letter to the owner's watcher; empty its topic if the card names none."""
        letter = b""
        if owner.notify is not None:
            items, troubles = self._waiting(owner), watch.troubles(facts)
            letter = self.work.write.watch(owner.notify.recipient, items, troubles)
        topic = topics.notice(self.work.parties.device_name, owner.fingerprint)
        self.link.publish(topic, letter, retained=True)

    def _waiting(self, owner: OwnerCard) -> tuple[WatchItem, ...]:
        """The items for an owner's watcher; none if a row was forged."""
        try:
            return watch.items(self.work, owner)
        except (Refused, ValueError, OverflowError) as error:
            self._complain(error)
            return ()

    def _news(self, facts: Mapping[str, Any]) -> object:
        """All facts that are told at once, and how far the broker has seen the ledger grow."""
        camera: PartHealth = facts["camera"]
        arming: Arming = facts["arming"]
        coarse = "armed" if camera.state == "recording" else camera.state
        if arming.scheduled:
            arming = msgspec.structs.replace(arming, armed=True, until=None)
            coarse = "armed" if camera.state == "disarmed" else coarse
        quiet = {"space", "last_motion_at", "recorded", "camera", "arming"}
        return (
            {name: fact for name, fact in facts.items() if name not in quiet},
            (coarse, camera.detail, camera.version, arming),
            self.work.database.rows("SELECT count(*) FROM seen"),
            self.work.database.rows("SELECT id, state FROM release"),
            [self._waiting(owner) for owner in self.work.parties.owners if owner.notify],
        )

    def facts(self) -> dict[str, Any]:
        """The fields of a status letter that are the same for all owners."""
        work, (camera, state) = self.work, self.device_state.camera()
        gateway, totals = work.database.health() or _NEVER, self.device_state.catalog.totals
        motion = None if camera is None else camera.last_motion_at
        opened = [
            OpenRequestItem(
                request=one.digest,
                kind="legal-order" if one.kind == "legal-order" else "voluntary",
                until=int(one.expires_at),
            )
            for one in work.requests.open()
            if work.requests.is_matched(one.digest) and one.requester in work.parties.requesters
        ]
        return {
            "camera": _part(camera or _NEVER, state, "" if camera is None else camera.version),
            "gateway": _part(gateway, gateway.state, __version__),
            "clock_synced": work.clock.synced(),
            "seals_to": () if camera is None else camera.seals_to,
            "owners": tuple(
                HouseholdOwner(fingerprint=owner.fingerprint, name=owner.name)
                for owner in work.parties.owners
            ),
            "should_seal_to": tuple(
                reader for owner in work.parties.owners for reader in (owner.seal, owner.recovery)
            ),
            "approvals_needed": work.parties.approvals_needed,
            "open": tuple(opened[:_MAX_OPEN]),
            "more_open": len(opened[_MAX_OPEN:]),
            "held": tuple(
                HeldRelease(release=release, why=one_line(why))
                for release, why in list(work.holds.held().items())[:_MAX_HELD]
            ),
            "pause": self._pause(),
            "muted": tuple(sorted(work.decisions.muted())[:_MAX_MUTED]),
            "arming": Arming(armed=True) if camera is None else camera.arming,
            "space": Space(
                clips=totals.count,
                clip_bytes=totals.bytes,
                kept=totals.kept,
                free_bytes=shutil.disk_usage(self.device_state.state_dir).free,
            ),
            "warnings": tuple(map(one_line, self.warnings())),
            "last_motion_at": None if motion is None else int(motion),
            "place": CameraPlace(latitude=self.place.latitude, longitude=self.place.longitude),
            "recorded": self._recorded(),
        }

    def _recorded(self) -> float:
        """The share of the last 24 hours that clips hold, to a thousandth."""
        now = self.work.clock.now()
        held = self.work.database.recorded_seconds(start=now - _DAY_SECONDS, end=now)
        return round(min(max(held / _DAY_SECONDS, 0.0), 1.0), 3)

    def _pause(self) -> RequestsPause | None:
        at, owner = self.work.decisions.paused_at(), self.work.decisions.paused_by()
        if at is None or owner is None:
            return None
        return RequestsPause(owner=owner, at=int(at))


def _part(health: Health | CameraState, state: str, version: str) -> PartHealth:
    detail, at = one_line(health.detail), int(max(0.0, health.at))
    return PartHealth(state=state, detail=detail, at=at, version=version)
