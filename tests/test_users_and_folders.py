"""Users, groups and folders: what sysusers.d and tmpfiles.d make, and the units name."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from agent import files
from tests.peers.requirements import program
from tests.support.units import SERVICES, STATE_DIR, SYSTEMD, read_unit, words

FOLDERS = {  # path: mode, owner
    "/etc/clip-agent": (0o750, "root"),
    STATE_DIR: (0o750, "root"),
    f"{STATE_DIR}/camera": (0o2750, "clip-camera"),
    f"{STATE_DIR}/camera/clips": (0o2750, "clip-camera"),
    f"{STATE_DIR}/gateway": (0o700, "clip-gateway"),
    f"{STATE_DIR}/gateway/keys": (0o700, "clip-gateway"),
    f"{STATE_DIR}/gateway/outbox": (0o700, "clip-gateway"),
    f"{STATE_DIR}/wishes": (0o2750, "clip-gateway"),
    "/run/clip-agent/root": (0o755, "root"),
    "/run/systemd/timesync": (0o755, "root"),
}
GROUPS = {"clip-camera": {"clip-agent", "video"}, "clip-gateway": {"clip-agent"}}


def test_neither_user_has_a_home_or_a_shell(tmp_path: Path) -> None:
    users_and_groups(tmp_path)
    passwd = [line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    homes = {fields[0]: (fields[5], fields[6]) for fields in passwd if fields[0] in GROUPS}
    assert homes == dict.fromkeys(GROUPS, ("/", "/usr/sbin/nologin"))


def users_and_groups(root: Path) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Users that systemd-sysusers makes in ``root``, with their primary and other groups."""
    (root / "etc").mkdir(exist_ok=True)
    conf = str(SYSTEMD / "sysusers.d/clip-agent.conf")
    subprocess.run([program("systemd-sysusers"), f"--root={root}", conf], check=True, timeout=60)
    passwd = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]
    group = [line.split(":") for line in (root / "etc/group").read_text().splitlines()]
    names = {fields[2]: fields[0] for fields in group}
    primary = {fields[0]: names[fields[3]] for fields in passwd}
    groups = {user: {name} for user, name in primary.items()}
    for fields in group:
        for user in filter(None, fields[3].split(",")):
            groups[user].add(fields[0])
    return primary, groups


def test_users_and_groups_of_the_units_are_the_ones_sysusers_makes(tmp_path: Path) -> None:
    primary, groups = users_and_groups(tmp_path)
    assert groups == GROUPS
    for service in SERVICES:
        unit = read_unit(service)
        (user,), (group,) = unit["User"], unit["Group"]
        assert primary[user] == group == "clip-agent"
        assert groups[user] == {group, *words(unit, "SupplementaryGroups")}


def test_tmpfiles_makes_the_folders_with_their_modes_and_owners(tmp_path: Path) -> None:
    users_and_groups(tmp_path)
    ids = dict(line.split(":")[:3:2] for line in (tmp_path / "etc/passwd").read_text().splitlines())
    conf = (SYSTEMD / "tmpfiles.d/clip-agent.conf").read_text()
    if os.geteuid() != 0:  # may give a file to nobody else: everybody is us
        for name in ("root", *GROUPS):
            conf = conf.replace(f" {name} ", f" {os.geteuid()} ")
        conf = conf.replace(" clip-agent\n", f" {os.getegid()}\n")
    (tmp_path / "conf").write_text(conf)
    command = [
        program("systemd-tmpfiles"),
        "--create",
        f"--root={tmp_path}",
        str(tmp_path / "conf"),
    ]
    subprocess.run(command, check=True, timeout=60)
    for path, (mode, owner) in FOLDERS.items():
        made = (tmp_path / path.lstrip("/")).stat()
        assert made.st_mode & 0o7777 == mode, path
        if os.geteuid() == 0:
            assert made.st_uid == int({"root": "0", **ids}[owner]), path


def test_the_folder_of_a_day_is_made_although_the_unit_forbids_to_set_its_group_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "RestrictSUIDSGID=yes", str(path))

    (tmp_path / "clips").mkdir()
    (tmp_path / "clips").chmod(FOLDERS[f"{STATE_DIR}/camera/clips"][0])
    monkeypatch.setattr(Path, "chmod", refuse)
    before = os.umask(int(read_unit(SERVICES[0])["UMask"][0], 8))
    try:
        files.make_directory(tmp_path / "clips" / "2024-01-24")
    finally:
        os.umask(before)
    assert (tmp_path / "clips" / "2024-01-24").stat().st_mode & 0o7777 == files.DIRECTORY_MODE


def test_tmpfiles_makes_all_folders_that_the_units_name() -> None:
    for service in SERVICES:
        unit = read_unit(service)
        for key in ("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "RootDirectory"):
            assert {path.lstrip("+") for path in words(unit, key)} <= FOLDERS.keys()
