"""Migration of the folder of before, in which both processes shared one database.

Its clips, keys and outbox are moved, its database goes to the gateway, which copies the rows.
Each process moves what is its own. Where it may not, as under systemd, root does it
(``clip-agent reindex``). Each step may be cut off anywhere, and a second run goes on.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agent import files
from agent.errors import StorageFault
from agent.vault.clips import paths
from agent.vault.database import gateway
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.ledger import LedgerWriter

OLD_NAME = "agent.sqlite"
_LAYERS = ("-wal", "")  # the main file is moved last


def move_camera(state_dir: Path) -> None:
    """Move the clips of before to ``camera/``."""
    _move(state_dir / "clips", paths.folder_of(state_dir))


def close_to_group(state_dir: Path) -> None:
    """Take the group's right to write from the folders of clips; as the camera's user."""
    for folder in (paths.folder_of(state_dir), *paths.days(state_dir)):
        if not files.exists(folder):
            continue
        with files.faults(folder):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                mode = os.fstat(descriptor).st_mode
                if mode & 0o020:
                    os.fchmod(descriptor, stat.S_IMODE(mode) & ~0o020)
            finally:
                os.close(descriptor)


def move_gateway(state_dir: Path) -> None:
    """Move keys, outbox and database of before to ``gateway/``, which must exist.

    As root: the database may be the camera's, so it is given to the gateway.
    """
    folder = state_dir / "gateway"
    for name in ("keys", "outbox"):
        _move(state_dir / name, folder / name)
    for layer in _LAYERS:
        old = state_dir / f"{OLD_NAME}{layer}"
        _give(old, folder)
        _move(old, folder / old.name)
    for leftover in (state_dir / f"{OLD_NAME}-shm", state_dir / "device.card.yaml"):
        if _is_there(leftover):
            files.remove(leftover)


def carry_over(state_dir: Path) -> None:
    """Make the gateway's database of the old one that :func:`move_gateway` brought."""
    path = gateway.path_of(state_dir)
    old = path.with_name(OLD_NAME)
    if not files.exists(old):
        return
    if not files.exists(path):  # else the end of this was cut off
        draft = path.with_name(f"{path.name}.new")
        for layer in ("", "-wal", "-shm"):
            files.remove(draft.with_name(f"{draft.name}{layer}"))
        with GatewayDatabase.open(draft) as database:
            gateway.carry_over(old, database)
            with database.transaction():
                LedgerWriter(database).grow_tree()
        files.rename(draft, path)
    for layer in ("-shm", "-wal"):
        files.remove(old.with_name(f"{OLD_NAME}{layer}"))
    files.rename(old, old.with_name(f"{OLD_NAME}.old"))
    files.sync_directory(path.parent)


def is_needed(state_dir: Path) -> bool:
    """Tell if the folder is still the one of before."""
    return any(_is_there(state_dir / name) for name in ("clips", "keys", "outbox", OLD_NAME))


def _is_there(path: Path) -> bool:
    with files.faults(path):
        return path.is_symlink() or path.exists()


def _move(source: Path, target: Path) -> None:
    """Rename ``source``, if it is there; ``target`` may be an empty folder."""
    if not _is_there(source):
        return
    if source.is_symlink():
        raise StorageFault(f"{source}: is a link", advice="Put what it leads to in its place")
    files.make_directory(target.parent)
    try:
        source.replace(target)
    except OSError as error:
        raise files.fault(source, error, f"cannot be moved to {target}") from error
    for folder in {source.parent, target.parent}:
        files.sync_directory(folder)


def _give(path: Path, folder: Path) -> None:
    """Make ``path`` a private file of the owner of ``folder``, if we are root."""
    if os.geteuid() != 0 or not _is_there(path):
        return
    with files.faults(path):
        owner = folder.stat()
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise StorageFault(f"{path}: is no file of its own", advice="Remove it")
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.fchmod(descriptor, files.PRIVATE_MODE)
        finally:
            os.close(descriptor)
