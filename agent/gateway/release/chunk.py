"""Part of a sealed bundle in the outbox, read while it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ClipDamaged, StorageFault


class Interrupted(Exception):
    """A chunk must not be sent to its end. The receiver has some of it."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """``size`` bytes of ``bundle`` from ``offset``, given in pieces of the lengths ``pieces``.

    ``must_stop`` is asked before each piece. Iterating raises :class:`Interrupted`,
    :class:`ClipDamaged` for a bundle that is gone or too short, and :class:`StorageFault`.
    """

    bundle: Path
    offset: int
    size: int
    pieces: Iterable[int]
    must_stop: Callable[[], bool]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        try:
            with self.bundle.open("rb") as file:
                file.seek(self.offset)
                for length in self.pieces:
                    if self.must_stop():
                        raise Interrupted
                    piece = file.read(length)
                    if len(piece) < length:
                        raise ClipDamaged("the sealed bundle in the outbox is too short")
                    yield piece
        except FileNotFoundError as error:
            raise ClipDamaged("the sealed bundle is gone from the outbox") from error
        except OSError as error:
            raise StorageFault(f"the outbox cannot be read ({error.strerror})") from error
