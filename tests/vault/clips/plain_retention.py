"""The rules of retention in their plainest form, over all clips at once.

>>> plainly(clips, limits, held=(), now=moment, free_bytes=0).delete
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from agent.vault.clips.retention import Limits, Moment, Plan
from agent.vault.database.index import Clip
from agent.vault.database.recorded_share import Storm


def plainly(
    clips: Sequence[Clip],
    limits: Limits,
    *,
    held: Collection[str],
    now: Moment,
    free_bytes: int,
    storm: Collection[str] | None = None,
) -> Plan:
    """The plan for ``clips``, given in the order of recording; ``storm``: the endless ones."""
    if storm is None:
        judge = Storm()
        storm = {clip.id for clip in clips if judge.is_endless(clip)}
    spared = _spared(clips, held, limits.max_held_share * limits.max_bytes)
    left = [clip for clip in clips if clip.id not in spared]
    gone = [clip for clip in left if _is_too_old(clip, now, limits.max_age_seconds)]
    left = [clip for clip in left if clip not in gone]

    def take_next() -> None:
        endless = [clip for clip in left if clip.id in storm]
        chosen = (endless if 2 * _sum(endless) > _sum(left) else left)[0]
        left.remove(chosen)
        gone.append(chosen)

    while left and _sum(clips) - _sum(gone) > limits.max_bytes:
        take_next()
    disk_full = limits.min_free_bytes - free_bytes - _sum(gone) > _sum(left)
    while not disk_full and limits.min_free_bytes - free_bytes > _sum(gone):
        take_next()
    return Plan([clip.id for clip in gone], more=False, disk_full=disk_full)


def _spared(clips: Sequence[Clip], held: Collection[str], share_bytes: float) -> set[str]:
    spared: set[str] = set()
    for clip in sorted(clips, key=lambda clip: not clip.kept):
        if (clip.kept or clip.id in held) and clip.bytes <= share_bytes:
            spared.add(clip.id)
            share_bytes -= clip.bytes
    return spared


def _is_too_old(clip: Clip, now: Moment, max_age_seconds: float) -> bool:
    if clip.boot_id == now.boot_id:
        ended = clip.monotonic_seconds + clip.duration_seconds
        return ended < now.monotonic - max_age_seconds
    if now.wall is None or not clip.clock_synced:
        return False
    return clip.started_at + clip.duration_seconds < now.wall - max_age_seconds


def _sum(clips: Iterable[Clip]) -> int:
    return sum(clip.bytes for clip in clips)
