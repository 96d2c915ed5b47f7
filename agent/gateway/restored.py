"""The owner's word that the state of this device comes from a copy: an image, or a backup.

The gateway sees that by itself when the broker still has a newer letter of this device. A broker
that was set back too, or is another one, shows nothing; then only a person knows. ``clip-agent
restored`` leaves a mark, and the gateway's next start holds what its owners may have stopped since.
"""

from __future__ import annotations

from pathlib import Path

from agent import files
from agent.gateway.release.holds import RESTORED, Holds


def _mark_of(state_dir: Path) -> Path:
    return state_dir / "gateway" / "restored"


def mark(state_dir: Path) -> None:
    """Have the next start of the gateway hold all releases; it must not run. StorageFault."""
    files.replace(_mark_of(state_dir), b"", mode=files.PRIVATE_MODE)


def hold_if_marked(state_dir: Path, holds: Holds) -> None:
    """Hold all releases if the state was called a copy, once; again after a power cut."""
    path = _mark_of(state_dir)
    if files.exists(path):
        holds.hold_all(RESTORED)
        files.remove(path)
