"""Pictures out of RTP packets: H.264 (RFC 6184) and H.265 (RFC 7798), over an ordered transport.

A picture ends with the marker, or with the first packet of another time. Parameter sets that come
by themselves go along with the picture after them. A picture with a hole is dropped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from agent.camera.source import Codec

_START = b"\0\0\0\1"
_WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded picture with start codes; ``ticks`` of RTP's clock, which count on from 0."""

    data: bytes
    ticks: int
    keyframe: bool


class Depacketizer:
    """Turns the RTP packets of one stream into pictures."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._units: list[bytes] = []
        self._fragment = bytearray()  # a unit that is not all there
        self._stamp: int | None = None
        self._ticks = 0
        self._next_number: int | None = None
        self._whole = True
        self.lost = False  # a picture, since somebody set this to False

    def feed(self, packet: bytes) -> Iterator[Picture]:
        """The pictures that ``packet`` completes; none for what is no RTP."""
        if len(packet) < 12 or packet[0] >> 6 != 2:
            return
        mark, number, stamp = struct.unpack(">xBHI", packet[:8])
        payload = _payload(packet)
        if self._next_number not in (None, number):
            self._whole = False
        self._next_number = number + 1 & 0xFFFF
        if stamp != self._stamp:
            yield from self._picture()
            if self._stamp is not None:
                ahead = (stamp - self._stamp) % _WRAP
                self._ticks += ahead if ahead < _WRAP // 2 else ahead - _WRAP
            self._stamp = stamp
        self._take(payload)
        if mark & 0x80 and any(map(self._is_slice, self._units)):
            yield from self._picture()

    def _picture(self) -> Iterator[Picture]:
        """The picture that is complete now, if it is one and whole."""
        if not any(map(self._is_slice, self._units)):
            return
        units, self._units = self._units, []
        whole, self._whole = self._whole and not self._fragment, True
        self._fragment.clear()
        self.lost |= not whole
        if whole:
            data = b"".join(_START + unit for unit in units)
            yield Picture(data, self._ticks, any(map(self._is_key, units)))

    def _take(self, payload: bytes) -> None:
        """Add the units of one payload."""
        hevc = self._codec == "hevc"
        head = 2 if hevc else 1
        if len(payload) <= head:
            return
        kind = self._kind(payload)
        if kind == (48 if hevc else 24):  # several units in one packet
            at = head
            while at + 2 < len(payload):
                size = int.from_bytes(payload[at : at + 2], "big")
                self._units.append(payload[at + 2 : at + 2 + size])
                at += 2 + size
        elif kind == (49 if hevc else 28):  # a part of a unit
            mark, body = payload[head], payload[head + 1 :]
            if mark & 0x80:
                self._fragment = bytearray(self._header(payload, mark))
            elif not self._fragment:
                self._whole = False
            self._fragment += body
            if mark & 0x40 and self._fragment:
                self._units.append(bytes(self._fragment))
                self._fragment = bytearray()
        else:
            self._units.append(payload)

    def _header(self, payload: bytes, mark: int) -> bytes:
        """The header of the unit that is sent in parts."""
        if self._codec == "hevc":
            return bytes([payload[0] & 0x81 | (mark & 0x3F) << 1, payload[1]])
        return bytes([payload[0] & 0xE0 | mark & 0x1F])

    def _kind(self, unit: bytes) -> int:
        return unit[0] >> 1 & 0x3F if self._codec == "hevc" else unit[0] & 0x1F

    def _is_slice(self, unit: bytes) -> bool:
        return bool(unit) and (
            self._kind(unit) < 32 if self._codec == "hevc" else 1 <= self._kind(unit) <= 5
        )

    def _is_key(self, unit: bytes) -> bool:
        return bool(unit) and (
            16 <= self._kind(unit) <= 21 if self._codec == "hevc" else self._kind(unit) == 5
        )


def _payload(packet: bytes) -> bytes:
    """The content behind the header (RFC 3550, 5.1), without padding."""
    first = packet[0]
    at = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
    end = len(packet) - (packet[-1] if first & 0x20 else 0)
    return packet[at:end]
