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
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from agent import files
from agent.clock import Clock
from agent.errors import DiskFull
from agent.vault.clips.recorded_share import endless
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Clip, Index

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """The present time by each clock."""

    wall: float | None  # None while the clock is not synced
    monotonic: float
    boot_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Ids of the clips to delete, in that order; ``disk_full``: that does not help."""

    delete: list[str]
    disk_full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of the rules, as in ``storage`` of agent.yaml."""

    max_bytes: int
    max_age_seconds: float
    min_free_bytes: int
    max_held_share: float


def plan(
    clips: Sequence[Clip], limits: Limits, *, held: Collection[str], now: Moment, free_bytes: int
) -> Plan:
    """Apply the rules to ``clips``, given in the order of their recording."""
    protected = _protected(clips, held, limits.max_held_share * limits.max_bytes)
    gone: list[Clip] = []
    left: list[Clip] = []
    for clip in clips:
        if clip.id not in protected:
            (gone if _is_too_old(clip, now, limits.max_age_seconds) else left).append(clip)

    queue = _Queue(left, endless(clips))
    excess = _sum(clips) - _sum(gone) - limits.max_bytes
    while excess > 0 and queue.bytes:
        gone.append(queue.pop())
        excess -= gone[-1].bytes

    lacking = limits.min_free_bytes - free_bytes - _sum(gone)
    if lacking > queue.bytes:
        return Plan([clip.id for clip in gone], disk_full=True)
    while lacking > 0:
        gone.append(queue.pop())
        lacking -= gone[-1].bytes
    return Plan([clip.id for clip in gone], disk_full=False)


class _Queue:
    """The clips that may go, in the order in which they do."""

    def __init__(self, clips: Sequence[Clip], endless_ids: Collection[str]) -> None:
        self._endless = deque(clip for clip in clips if clip.id in endless_ids)
        self._endless_ids = endless_ids
        self._endless_bytes = _sum(self._endless)
        self._clips = deque(clips)
        self._gone: set[str] = set()
        self.bytes = _sum(clips)

    def pop(self) -> Clip:
        """The next clip to go."""
        queue = self._endless if 2 * self._endless_bytes > self.bytes else self._clips
        clip = queue.popleft()
        while clip.id in self._gone:  # it went by the other queue
            clip = queue.popleft()
        self._gone.add(clip.id)
        self.bytes -= clip.bytes
        self._endless_bytes -= clip.bytes if clip.id in self._endless_ids else 0
        return clip


def _protected(clips: Sequence[Clip], held: Collection[str], share_bytes: float) -> set[str]:
    """Held clips within the share: kept ones first, then those recorded first."""
    wanted = frozenset(held)
    protected: set[str] = set()
    for clip in sorted(clips, key=lambda clip: not clip.kept):
        if (clip.kept or clip.id in wanted) and clip.bytes <= share_bytes:
            protected.add(clip.id)
            share_bytes -= clip.bytes
    return protected


def _is_too_old(clip: Clip, now: Moment, max_age_seconds: float) -> bool:
    if clip.boot_id == now.boot_id:
        ended = clip.monotonic_seconds + clip.duration_seconds
        return now.monotonic - ended > max_age_seconds
    if now.wall is None or not clip.clock_synced:
        return False
    return now.wall - clip.ended_at > max_age_seconds


def _sum(clips: Iterable[Clip]) -> int:
    return sum(clip.bytes for clip in clips)


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
            self.index.clips_as_recorded(),
            self.limits,
            held=self.held(),
            now=Moment(
                wall=clock.now() if clock.synced() else None,
                monotonic=clock.monotonic(),
                boot_id=clock.boot_id(),
            ),
            free_bytes=self.free_bytes(),
        )
        for clip_id in decided.delete[:at_most]:
            self.store.delete(clip_id)
            log.info("clip %s deleted to make room", clip_id)
        if decided.disk_full:
            raise DiskFull(
                f"less than {self.limits.min_free_bytes} bytes are free, and deleting the clips"
                " that may go would not change that",
                advice="Free some space on the disk; recording goes on by itself then",
            )
        return decided
