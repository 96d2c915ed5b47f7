"""Long lists of clips: a camera names at most 200 in a letter, so a day may take several.

::

    pages/<device>/<first>-<last>.json   the times of its first and last clip, Unix seconds

A later page replaces those whose time it covers; the oldest go when there are more than a bound.
Nobody numbers clips by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from agent.consent.statements import Listing
from agent.owner.home.folder import OwnerFolder, StoredStatement

FOLDER: Final = "pages"
_MOST: Final = 200  # of a device


def keep(folder: OwnerFolder, device: str, listing: Listing, letter: StoredStatement) -> None:
    """Keep a page; an empty one says nothing that is worth it."""
    if not listing.clips:
        return
    first = min(one.started_at for one in listing.clips)
    last = max(one.started_at for one in listing.clips)
    for name in folder.names(FOLDER, device):
        start, end = _span(name)
        if first <= start and end <= last:
            folder.drop(FOLDER, device, name)
    folder.keep(FOLDER, device, f"{first:012d}-{last:012d}", letter)
    names = folder.names(FOLDER, device)
    if len(names) > _MOST:
        kept = sorted(folder.kept(FOLDER, device), key=lambda one: one[1].received_at)
        for name, _ in kept[: len(names) - _MOST]:
            folder.drop(FOLDER, device, name)


def likely(folder: OwnerFolder, device: str, clip: str) -> Iterator[tuple[str, StoredStatement]]:
    """Name and letter of the pages, those of the time in the clip's id first."""
    try:
        at = datetime.strptime(clip[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        at = 0.0
    names = folder.names(FOLDER, device)
    for name in sorted(names, key=lambda one: _distance(_span(one), at)):
        letter = folder.letter(FOLDER, device, name)
        if letter is not None:
            yield name, letter


def _span(name: str) -> tuple[int, int]:
    first, _, last = name.partition("-")
    return int(first), int(last)


def _distance(span: tuple[int, int], at: float) -> float:
    return max(span[0] - at, at - span[1], 0.0)
