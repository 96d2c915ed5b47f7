"""All fuzzing targets, by name."""

from __future__ import annotations

from tests.fuzz import binary, files, logs, parts, signed

TARGETS = {
    target.name: target for room in (signed, logs, files, parts, binary) for target in room.TARGETS
}
