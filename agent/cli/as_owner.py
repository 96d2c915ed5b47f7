"""Commands that root runs act as the user of the folder they look into.

A service may have been taken over and have put links or traps into its own folder. With that
user's rights a command can do no more than the service itself, and leaves no file of root's.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Sequence
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
    with _acting(owner.st_uid, owner.st_gid, []):
        yield


@contextmanager
def service(name: str) -> Iterator[None]:
    """Act as the user ``name`` with all of its groups for the block; only root can."""
    user = pwd.getpwnam(name)
    with _acting(user.pw_uid, user.pw_gid, os.getgrouplist(name, user.pw_gid)):
        yield


@contextmanager
def _acting(user: int, group: int, groups: Sequence[int]) -> Iterator[None]:
    before, group_before = os.getgroups(), os.getegid()
    try:
        os.setgroups(groups)
        os.setegid(group)
        os.seteuid(user)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group_before)
        os.setgroups(before)
