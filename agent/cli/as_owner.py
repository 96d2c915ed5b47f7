"""Commands that root runs act as the user of the folder they look into.

A service may have been taken over and have put links or traps into its own folder. With that
user's rights a command can do no more than the service itself, and leaves no file of root's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import files


@contextmanager
def owner_of(folder: Path) -> Iterator[None]:
    """Act as the owner of ``folder`` for the block, if we are root."""
    if os.geteuid() != 0:
        yield
        return
    with files.faults(folder):
        owner = folder.lstat() if folder.exists() else None
    if owner is None:
        yield  # whoever looks into it says so
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
