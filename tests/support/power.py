"""Images of a disk after a power cut, from the operations of :mod:`tests.peers.losing_disk`.

What was synced is there. Of the rest, a seed decides for each block of 4096 bytes and for each
change of names if it reached the disk, in one of two ways:

- ``ordered``, as ext4's journal: changes of names survive up to one moment, at or after the last
  sync of anything; blocks survive one by one, and where they do not, a longer file has zeros;
- ``any order``: each change of names survives or not, whatever came before it, unless its folder
  was synced after it, or the new file that it names (F2FS, and what POSIX promises, hardly less).

One block that was on its way may be torn: its first sectors are new, the others old.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tests.peers.losing_disk import TOP, Operation

BLOCK_BYTES: Final = 4096
SECTOR_BYTES: Final = 512
Order = Literal["ordered", "any order"]
ORDERS: Final[tuple[Order, ...]] = ("ordered", "any order")
_SHARES: Final = (0.0, 0.5, 0.9, 1.0)  # of what was not synced, that survives


@dataclass
class Image:
    """The content of the disk after the cut before ``operations[cut]``."""

    data: dict[int, bytearray] = field(default_factory=dict)
    changed: dict[int, float] = field(default_factory=dict)  # wall clock, seconds
    modes: dict[int, int] = field(default_factory=dict)
    names: dict[int, dict[str, int]] = field(default_factory=lambda: {TOP: {}})
    torn: bool = False

    def write_to(self, folder: Path, node: int = TOP) -> None:
        """Make the files and folders of the image below ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, child in self.names[node].items():
            path = folder / name
            if child in self.names:
                self.write_to(path, child)
            else:
                path.write_bytes(self.data.get(child, b""))
                changed = self.changed.get(child, 0.0)
                os.utime(path, (changed, changed))
            path.chmod(self.modes.get(child, 0o600))


def cut(operations: Sequence[Operation], at: int, order: Order, draw: random.Random) -> Image:
    """The image after a power cut just before ``operations[at]``."""
    image, share = Image(), draw.choice(_SHARES)
    done = operations[:at]
    synced = _last_syncs(done)
    for index in _surviving_names(done, synced, order, share, draw):
        one = done[index]
        if one.kind == "directory":
            image.names[one.node] = {}
        elif one.kind == "chmod":
            image.modes[one.node] = one.offset
        for folder, name, node in one.names:
            if node is None:
                image.names[folder].pop(name, None)
            else:
                image.names[folder][name] = node
    loose: list[tuple[int, int, bytes]] = []
    for index, one in enumerate(done):
        is_synced = index < synced.get(one.node, -1)
        data = image.data.setdefault(one.node, bytearray()) if one.node else bytearray()
        if one.kind == "write":
            for offset, piece in _blocks(one):
                if is_synced or draw.random() < share:
                    before = bytes(data[offset : offset + len(piece)])
                    _put(data, offset, piece)
                    image.changed[one.node] = one.at
                    if not is_synced:
                        loose.append((one.node, offset, before))
        elif one.kind == "truncate" and (is_synced or draw.random() < share):
            del data[one.offset :]
            data.extend(bytes(one.offset - len(data)))
    if loose and draw.random() < 0.5:
        _tear(image, *loose[-1], draw)
    return image


def _last_syncs(done: Sequence[Operation]) -> dict[int, int]:
    """The index of the last sync of each node, and of any as node 0."""
    syncs = {one.node: index for index, one in enumerate(done) if one.kind == "fsync"}
    return {**syncs, 0: max(syncs.values(), default=-1)}


def _surviving_names(
    done: Sequence[Operation],
    synced: dict[int, int],
    order: Order,
    share: float,
    draw: random.Random,
) -> Iterator[int]:
    last = len(done) if share == 1 else draw.randint(synced[0] + 1, len(done))
    for index, one in enumerate(done):
        if one.kind == "directory":
            yield index
        elif one.kind in ("names", "chmod"):
            if order == "ordered":
                survives = index < last
            else:
                survives = _is_durable(one, index, synced) or draw.random() < share
            if survives:
                yield index


def _is_durable(one: Operation, index: int, synced: dict[int, int]) -> bool:
    if one.kind == "chmod":
        return synced.get(one.node, -1) > index
    folders = all(synced.get(folder, -1) > index for folder, _, _ in one.names)
    is_new = len(one.names) == 1 and synced.get(one.names[0][2] or -1, -1) > index
    return folders or is_new


def _blocks(one: Operation) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(one.data):
        size = BLOCK_BYTES - (one.offset + at) % BLOCK_BYTES
        yield one.offset + at, one.data[at : at + size]
        at += size


def _put(data: bytearray, offset: int, piece: bytes) -> None:
    data.extend(bytes(max(offset - len(data), 0)))
    data[offset : offset + len(piece)] = piece


def _tear(image: Image, node: int, offset: int, before: bytes, draw: random.Random) -> None:
    """Put the old sectors back behind a random one of a block; zeros where there was nothing."""
    data = image.data[node]
    end = min(offset + BLOCK_BYTES - offset % BLOCK_BYTES, len(data))
    from_ = offset + draw.randrange(BLOCK_BYTES // SECTOR_BYTES) * SECTOR_BYTES
    if from_ < end:
        old = before.ljust(end - offset, b"\0")[from_ - offset : end - offset]
        data[from_:end] = old
        image.torn = True
