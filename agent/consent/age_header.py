"""A size check on age headers, to be made before the age library reads a file.

The library's time grows with the square of the header's size, and anybody can write a header:
48 KB of empty stanzas cost twenty seconds. Our own files have one stanza a reader and one of
random bytes; with the most owners, their recovery keys and the clip's own key that is 34
stanzas and about 3,500 bytes. Format: age-encryption.org/v1, "Header".
"""

from __future__ import annotations

from typing import Final

from agent.config import MAX_OWNERS

MAX_HEADER_BYTES: Final = 4_096
_READER = b"\n-> X25519 "
_MAX_STANZAS = 2 * MAX_OWNERS + 1 + 2
_START, _STANZA, _END = b"age-encryption.org/v1\n", b"\n-> ", b"\n--- "


def has_small_header(start: bytes) -> bool:
    """True if an age file has a header no larger than ours can be.

    ``start`` is the file, or at least its first :data:`MAX_HEADER_BYTES`.
    """
    header, end, _ = start[:MAX_HEADER_BYTES].partition(_END)
    return bool(end) and header.startswith(_START) and header.count(_STANZA) <= _MAX_STANZAS


def count_readers(start: bytes) -> int:
    """The number of X25519 keys that an age file is sealed to, as its header says."""
    return start[:MAX_HEADER_BYTES].partition(_END)[0].count(_READER)
