"""The owner's word that the state of this device comes from a copy: an image, or a backup.

The gateway sees that by itself when the broker still has a newer letter of this device. A broker
that was set back too, or is another one, shows nothing; then only a person knows. ``clip-agent
restored`` leaves a mark, and the gateway's next start holds what its owners may have stopped since.

A database that is gone is the oldest copy there can be: the requests that were answered would be
open again, and approvals that were revoked would count. So the same mark is left for it.
"""

from __future__ import annotations

import logging
from pathlib import Path

from agent import files
from agent.errors import StorageFault
from agent.gateway import device_keys, ledger_anchor
from agent.gateway.release.holds import RESTORED, Holds
from agent.vault.database import gateway

log = logging.getLogger(__name__)


def _mark_of(state_dir: Path) -> Path:
    return state_dir / "gateway" / "restored"


def mark(state_dir: Path) -> None:
    """Have the next start of the gateway hold all releases; it must not run. StorageFault."""
    files.replace(_mark_of(state_dir), b"", mode=files.PRIVATE_MODE)


def is_marked(state_dir: Path) -> bool:
    """Tell if the next start holds all releases."""
    return files.exists(_mark_of(state_dir))


def is_database_lost(state_dir: Path) -> bool:
    """Tell if a gateway worked here, and its database is missing or empty."""
    path = gateway.path_of(state_dir)
    if files.exists(path) and files.size(path) > 0:
        return False
    made_later = (ledger_anchor.path_of(state_dir), device_keys.client_id_path_of(state_dir))
    return any(map(files.exists, made_later))


def database_lost(state_dir: Path) -> StorageFault:
    """The fault for a database that is missing or empty."""
    return StorageFault(
        f"{gateway.path_of(state_dir)}: is gone, and with it the requests and the ledger",
        advice="Restore the gateway's folder as a whole from a backup. To go on without them,"
        f" delete {ledger_anchor.path_of(state_dir)}: what was approved before must then be"
        " approved again, and the owners' computers warn",
    )


def notice_lost_database(state_dir: Path) -> None:
    """Mark the state as a copy if its database is gone.

    Raises StorageFault while the memory of the ledger's head is still there: a person who deletes
    that goes on without the database knowingly.
    """
    if not is_database_lost(state_dir):
        return
    if files.exists(ledger_anchor.path_of(state_dir)):
        raise database_lost(state_dir)
    log.error("%s", database_lost(state_dir).message)
    mark(state_dir)


def hold_if_marked(state_dir: Path, holds: Holds) -> None:
    """Hold all releases if the state was called a copy, once; again after a power cut."""
    path = _mark_of(state_dir)
    if files.exists(path):
        holds.hold_all(RESTORED)
        files.remove(path)
