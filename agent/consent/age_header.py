"""What may be handed to the age library at all.

The library parses a header in time that grows with the square of its size, and no key is
needed to write one: 48 KB of empty stanzas cost it twenty seconds. So nothing reaches it
whose header is not of a size that ours can have. Format: age-encryption.org/v1, "Header".

What age seals for us has a stanza a reader and one of random bytes. With the most owners
that a device may have, their recovery keys and the clip's own key that is 34 stanzas and
some 3,500 bytes.
"""

from __future__ import annotations

from typing import Final

from agent.config import MAX_OWNERS

MAX_HEADER_BYTES: Final = 4_096
_MAX_STANZAS = 2 * MAX_OWNERS + 1 + 2
_START, _STANZA, _END = b"age-encryption.org/v1\n", b"\n-> ", b"\n--- "


def has_small_header(start: bytes) -> bool:
    """Whether an age file that begins with ``start`` has a header of a size that ours have.

    ``start``: the file, or at least its first :data:`MAX_HEADER_BYTES`.
    """
    header, end, _ = start[:MAX_HEADER_BYTES].partition(_END)
    if not end or not header.startswith(_START):
        return False
    return header.count(_STANZA) <= _MAX_STANZAS
