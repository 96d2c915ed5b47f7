"""All fuzzing targets, by name."""

from __future__ import annotations

from tests.fuzz import binary, coded, files, logs, pairing, parts, passkeys, signed

TARGETS = {
    target.name: target
    for room in (signed, logs, files, parts, passkeys, pairing, binary, coded)
    for target in room.TARGETS
}
