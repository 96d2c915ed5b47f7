"""Thumbnails of many clips in a few messages, from the gateway to an owner.

A message is a row of entries: the number of the clip in the owner's command and the length of
what follows (2 and 4 bytes, big-endian), then the thumbnail as an age file. A clip without a
thumbnail has an entry of length 0, so every number is answered once. Neither names nor times
of clips are in a message: a broker sees sizes alone.

A thumbnail proves itself: its digest is sealed with the clip's key (:mod:`.seal`).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator

from agent.errors import ClipDamaged
from agent.vault.clips.reader import ClipReader

_ENTRY = struct.Struct(">HI")


def messages(thumbnails: Iterable[bytes], *, most_bytes: int) -> Iterator[bytes]:
    """Sealed ``thumbnails``, each empty for none, in messages of up to ``most_bytes``.

    One that is larger than a message counts as none.
    """
    message = bytearray()
    for number, sealed in enumerate(thumbnails):
        part = sealed if _ENTRY.size + len(sealed) <= most_bytes else b""
        if message and len(message) + _ENTRY.size + len(part) > most_bytes:
            yield bytes(message)
            message.clear()
        message += _ENTRY.pack(number, len(part)) + part
    if message:
        yield bytes(message)


def entries(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and sealed thumbnail of each entry; :class:`ClipDamaged` for any other bytes."""
    rest = memoryview(message)
    while rest:
        if len(rest) < _ENTRY.size:
            raise ClipDamaged("a message of thumbnails ends within an entry")
        number, length = _ENTRY.unpack_from(rest)
        rest = rest[_ENTRY.size :]
        if length > len(rest):
            raise ClipDamaged("a message of thumbnails ends within a picture")
        yield number, bytes(rest[:length])
        rest = rest[length:]


def read(store: ClipReader, clip: str) -> bytes:
    """The sealed thumbnail of a clip; empty if it has none, or none that can be read."""
    try:
        sealed = store.read_sidecar(clip).sealed_thumbnail
        return b"" if sealed is None else base64.b64decode(sealed, validate=True)
    except (ClipDamaged, ValueError):  # gone meanwhile, or no camera of ours wrote it
        return b""
