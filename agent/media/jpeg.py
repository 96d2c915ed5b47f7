"""JPEG files of the plain kind that our cameras make, told from all others without decoding.

Whoever took a camera over may seal any bytes as a picture. Before a viewer decodes them, they must
be one baseline picture (ITU-T T.81, B.2) of bounded size: no metadata, no further scans, nothing
behind its end. A header of a hundred bytes can claim a picture of gigabytes.
"""

from __future__ import annotations

from typing import Final

from agent.errors import ClipDamaged

MAX_SIDE_PIXELS: Final = 1_920
MAX_BYTES: Final = 1 << 18

_START, _END = b"\xff\xd8", b"\xff\xd9"
_JFIF, _TABLES, _BASELINE, _RESTARTS, _SCAN = 0xE0, (0xDB, 0xC4), 0xC0, 0xDD, 0xDA
_MOST_SEGMENTS = 16
_STUFFING = frozenset({0x00, *range(0xD0, 0xD8)})  # what may follow 0xFF within a scan


def check(data: bytes) -> tuple[int, int]:
    """Width and height in pixels; :class:`ClipDamaged` for anything but such a picture."""
    if len(data) > MAX_BYTES or not (data.startswith(_START) and data.endswith(_END)):
        raise _damaged("it is no JPEG, or too large")
    at, size = len(_START), None
    for _ in range(_MOST_SEGMENTS):
        head, length = data[at : at + 2], int.from_bytes(data[at + 2 : at + 4])
        if len(head) < 2 or head[0] != 0xFF or length < 2 or at + 2 + length > len(data):
            raise _damaged("a segment is cut off")
        body, kind = data[at + 4 : at + 2 + length], head[1]
        at += 2 + length
        if kind == _BASELINE and size is None:
            size = _size(body)
        elif kind == _SCAN and size is not None:
            _check_scan(data[at : -len(_END)])
            return size
        elif kind not in (_JFIF, _RESTARTS, *_TABLES):
            raise _damaged("it has parts that no camera of ours writes")
    raise _damaged("it has too many parts")


def _size(frame: bytes) -> tuple[int, int]:
    """Width and height in a frame header, "P, Y, X, Nf" and three bytes a component."""
    if len(frame) < 6 or frame[0] != 8 or frame[5] not in (1, 3) or len(frame) != 6 + 3 * frame[5]:
        raise _damaged("its frame header is none of ours")
    height, width = int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])
    if not (0 < width <= MAX_SIDE_PIXELS and 0 < height <= MAX_SIDE_PIXELS):
        raise _damaged(f"its size is {width}x{height}")
    return width, height


def _check_scan(coded: bytes) -> None:
    """Refuse a marker within the only scan: another scan, picture or file."""
    at = coded.find(b"\xff")
    while at >= 0:
        if coded[at + 1 : at + 2] == b"" or coded[at + 1] not in _STUFFING:
            raise _damaged("something follows its only scan")
        at = coded.find(b"\xff", at + 2)


def _damaged(why: str) -> ClipDamaged:
    return ClipDamaged(f"a picture is not one that our cameras make: {why}")
