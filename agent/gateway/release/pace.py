"""Pace of uploads: the length of the next chunk, and the rate at which its bytes go out.

The line is idle for a round trip between two chunks, so chunks grow to ten seconds of its rate.
After a long chunk fails, at the receiver, a proxy or on the line, chunks are half as long.

``max_rate`` leaves the household's line usable. A router queues packets that its line cannot carry
yet, and the household's other packets wait behind them: an unlimited upload adds a second to each
answer on a slow line. With ``auto``, the first chunk to an address, and one every few minutes, goes
at full rate; all others at half of the rate that it reached. Private addresses (RFC 1918, loopback)
have no limit.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from agent.clock import Clock

Rate = int | Literal["auto", "unlimited"]  # int: bits per second

LEAST_CHUNK: Final = 65_536
_LONGEST_CHUNK: Final = 16 << 20
_CHUNK_SECONDS: Final = 10.0  # other releases wait so long for their turn
_PIECE_BYTES: Final = 16_384  # at 5 Mbit/s 26 ms of the line
_FAST_PIECE_BYTES: Final = 262_144
_MEASURE_SECONDS: Final = 300.0
_MEASURE_BYTES: Final = 262_144  # a shorter chunk measures the delay of the line, not its rate
_LEAST_RATE: Final = 8_000.0  # bytes a second: a slower chunk is given up as dead


@dataclass(frozen=True, slots=True)
class Measured:
    """The rate of a chunk without limit, in bytes a second, and its monotonic time."""

    rate: float
    at: float


@dataclass(eq=False)
class Pace:
    """The pace of one upload; ``chunk_bytes`` is the length of its first chunk.

    ``measured`` holds the last measurement for each address, shared by all uploads of a process.
    """

    clock: Clock
    chunk_bytes: int
    max_rate: Rate
    measured: dict[str, Measured]
    _longest: int = field(init=False)
    _reached: float = field(default=0.0, init=False)  # by the last chunk, bytes a second

    def __post_init__(self) -> None:
        """Nothing is known of the line yet."""
        self._longest = longest_chunk(self.chunk_bytes)

    def length(self, peer: str) -> int:
        """The most bytes of the next chunk to this address."""
        if self._measures(peer):
            return min(self._longest, self.chunk_bytes)
        grown = int(self._reached * _CHUNK_SECONDS)
        return min(self._longest, max(self.chunk_bytes, grown))

    def limit(self, peer: str) -> float:
        """The most bytes a second of the next chunk to this address."""
        if self.max_rate == "unlimited" or self._measures(peer):
            return math.inf
        if self.max_rate == "auto":
            return math.inf if _is_private(peer) else max(_LEAST_RATE, self.measured[peer].rate / 2)
        return self.max_rate / 8

    def went(self, size: int, seconds: float, *, peer: str) -> None:
        """A chunk of ``size`` bytes has arrived after ``seconds``."""
        if seconds <= 0:
            return
        self._reached = size / seconds
        if self._measures(peer) and size >= min(_MEASURE_BYTES, self.chunk_bytes):
            self.measured[peer] = Measured(self._reached, self.clock.monotonic())

    def failed(self, size: int, *, too_large: bool) -> bool:
        """A chunk of ``size`` bytes did not arrive; True if a shorter one may."""
        if size > self.chunk_bytes:
            self._longest = self.chunk_bytes if too_large else max(self.chunk_bytes, size // 2)
        elif too_large and size > LEAST_CHUNK:
            self._longest = max(LEAST_CHUNK, size // 2)
        else:
            return False
        return True

    def _measures(self, peer: str) -> bool:
        if self.max_rate != "auto" or _is_private(peer):
            return False
        known = self.measured.get(peer)
        return known is None or self.clock.monotonic() - known.at > _MEASURE_SECONDS


def longest_chunk(chunk_bytes: int) -> int:
    """The most bytes of any chunk."""
    return max(chunk_bytes, _LONGEST_CHUNK)


def pieces(size: int, limit: float, clock: Clock) -> Iterator[int]:
    """Lengths that add up to ``size``, each given when ``limit``, in bytes a second, allows it."""
    began, given = clock.monotonic(), 0
    most = _FAST_PIECE_BYTES if math.isinf(limit) else _PIECE_BYTES
    while given < size:
        early = given / limit - (clock.monotonic() - began)
        if early > 0:
            clock.sleep(early)
        piece = min(most, size - given)
        yield piece
        given += piece


def _is_private(peer: str) -> bool:
    """True for an address that is reached without the household's line to the internet."""
    try:
        return ipaddress.ip_address(peer.partition("%")[0]).is_private
    except ValueError:
        return False
