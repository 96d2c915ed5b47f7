"""All fuzzing targets, by name."""

from __future__ import annotations

from tests.fuzz import binary, coded, files, logs, parts, passkeys, signed

TARGETS = {
    target.name: target
    for room in (signed, logs, files, parts, passkeys, binary, coded)
    for target in room.TARGETS
}
