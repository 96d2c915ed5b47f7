"""Retention: delete clips to make room for new ones.

:func:`plan` decides; :class:`Retention` asks the disk and deletes. The rules, in this
order. Each takes the clip recorded first; while **endless** clips (those from hours that
were mostly recorded, as in a storm) fill more than half of the space of all that may go,
rules 3 and 4 take the first of those, so that weather does not push out the visits before it:

1. A clip that an owner keeps, that matches an open request or is in a release not sealed yet
   is **held**: no rule takes it. Held clips may fill ``max_held_share`` of ``max_bytes``, kept
   ones before others and then those recorded first; one beyond that share is like any other.
2. Clips that ended more than ``max_age_seconds`` ago go. Those of this boot age by the
   monotonic clock, which nobody can set. Those of earlier boots age by the wall clock:
   none of them is too old while it is not synced, or if its own time is uncertain.
3. While all clips together exceed ``max_bytes``, clips go.
4. While less than ``min_free_bytes`` is free, clips go. If even all of them would not
   make enough room, others fill the disk: no clip goes, and the plan says ``disk_full``.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from agent import files
from agent.clock import Clock
from agent.errors import DiskFull, InternalFault
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Index, Sized

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """The present time by each clock."""

    wall: float | None  # None while the clock is not synced
    monotonic: float
    boot_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Ids of the clips to delete, in that order.

    ``more``: others must go too. ``disk_full``: even all that may go would not make enough room.
    """

    delete: list[str]
    _: KW_ONLY
    more: bool
    disk_full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of the rules, as in ``storage`` of agent.yaml."""

    max_bytes: int
    max_age_seconds: float
    min_free_bytes: int
    max_held_share: float


def plan(
    index: Index,
    limits: Limits,
    *,
    held: Collection[str],
    now: Moment,
    free_bytes: int,
    at_most: int | None = None,
) -> Plan:
    """Apply the rules to the clips of ``index``; ``at_most`` so many are named."""
    protected = _protected(index, held, limits.max_held_share * limits.max_bytes)
    queue = _Queue(index, protected)
    lacking = limits.min_free_bytes - free_bytes
    disk_full = lacking > queue.bytes
    for clip in _too_old(index, now, limits.max_age_seconds):
        if len(queue.gone) == at_most:
            return Plan(list(queue.gone), more=True, disk_full=disk_full)
        queue.take(clip)
    while queue.bytes and (
        index.stock.bytes - queue.gone_bytes > limits.max_bytes
        or (lacking > queue.gone_bytes and not disk_full)
    ):
        if len(queue.gone) == at_most:
            return Plan(list(queue.gone), more=True, disk_full=disk_full)
        queue.take(queue.next())
    return Plan(list(queue.gone), more=False, disk_full=disk_full)


class _Queue:
    """The clips that may go, in the order in which they do, and those that are gone."""

    def __init__(self, index: Index, protected: Mapping[str, int]) -> None:
        stock = index.stock
        self._protected = protected
        self._endless = stock.endless
        self._endless_bytes = stock.endless_bytes - sum(
            size for clip_id, size in protected.items() if clip_id in stock.endless
        )
        self._next_endless = (Sized(*item) for item in stock.endless.items())
        self._next_clip = index.as_recorded()
        self.bytes = stock.bytes - sum(protected.values())
        self.gone: dict[str, None] = {}
        self.gone_bytes = 0

    def next(self) -> Sized:
        """The next clip to go."""
        is_storm = 2 * self._endless_bytes > self.bytes
        for clip in self._next_endless if is_storm else self._next_clip:
            if clip.id not in self._protected and clip.id not in self.gone:
                return clip
        raise InternalFault("the index holds fewer clips than it counts")

    def take(self, clip: Sized) -> None:
        """Let ``clip`` go, unless it is protected."""
        if clip.id in self._protected:
            return
        self.gone[clip.id] = None
        self.gone_bytes += clip.bytes
        self.bytes -= clip.bytes
        self._endless_bytes -= clip.bytes if clip.id in self._endless else 0


def _protected(index: Index, held: Collection[str], share_bytes: float) -> dict[str, int]:
    """Held clips within the share and their sizes: kept ones first, then those recorded first."""
    protected: dict[str, int] = {}
    for clip in index.held(held):
        if clip.bytes <= share_bytes:
            protected[clip.id] = clip.bytes
            share_bytes -= clip.bytes
    return protected


def _too_old(index: Index, now: Moment, max_age_seconds: float) -> Iterator[Sized]:
    return index.ended_before(
        boot_id=now.boot_id,
        monotonic=now.monotonic - max_age_seconds,
        wall=None if now.wall is None else now.wall - max_age_seconds,
    )


def free_bytes_of(state_dir: Path) -> Callable[[], int]:
    """A function that returns the bytes an ordinary process may still write in ``state_dir``."""

    def ask() -> int:
        with files.faults(state_dir):
            return shutil.disk_usage(state_dir).free

    return ask


@dataclass(frozen=True, eq=False)
class Retention:
    """Deletes the clips of a :func:`plan`, whose ``limits`` it takes.

    ``held`` gives the clips that the gateway asks to spare.
    """

    store: ClipStore
    index: Index
    _: KW_ONLY
    clock: Clock
    free_bytes: Callable[[], int]
    limits: Limits
    held: Callable[[], Collection[str]]

    def run(self, *, at_most: int | None = None) -> Plan:
        """Delete at most ``at_most`` clips of the plan; the next run goes on.

        Raises :class:`DiskFull` if the disk is still too full then.
        """
        clock = self.clock
        decided = plan(
            self.index,
            self.limits,
            held=self.held(),
            now=Moment(
                wall=clock.now() if clock.synced() else None,
                monotonic=clock.monotonic(),
                boot_id=clock.boot_id(),
            ),
            free_bytes=self.free_bytes(),
            at_most=at_most,
        )
        for clip_id in decided.delete:
            self.store.delete(clip_id)
            log.info("clip %s deleted to make room", clip_id, extra={"clip_id": clip_id})
        if decided.disk_full:
            raise DiskFull(
                f"less than {self.limits.min_free_bytes} bytes are free, and deleting the clips"
                " that may go would not change that",
                advice="Free some space on the disk; recording goes on by itself then",
            )
        return decided
