"""The look of each service at its own files: root may read what a service cannot.

``clip-agent check`` run by root acts as each of the two users in turn, with their groups, and asks
the kernel whether they may read and write what their process needs.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import files
from agent.cli import as_owner
from agent.cli.commands import DEFAULT_CONFIG
from agent.cli.instance import CAMERA, GATEWAY, Instance, named
from agent.config import Config, StreamSource
from agent.errors import ClipAgentError
from agent.gateway import device_keys
from agent.vault.database import gateway, index

_CURE: Final = "`sudo clip-agent setup{}` puts users and folders in order"


def check_services(path: Path, config: Config) -> str:
    """One sentence; ClipAgentError names the first file that a service cannot use, and the cure."""
    further = Instance.of(path.absolute()).name
    users = [named(user, further) for user in (CAMERA, GATEWAY)]
    missing = [name for name in users if not _is_user(name)]
    if missing and path.absolute().parent != DEFAULT_CONFIG.parent and len(missing) == 2:
        return "this machine runs no services of clip-agent"
    if missing:
        cure = _CURE.format(f" --name {further}" if further else "")
        raise ClipAgentError(f"there is no user {missing[0]}", advice=cure)
    if os.geteuid() != 0:
        return "not looked at: only root can look as the services do (sudo)"
    for name, needs in zip(users, (_camera_needs, _gateway_needs), strict=True):
        with as_owner.service(name):
            for need in needs(path, config):
                _meet(name, need)
    return f"{' and '.join(users)} can read and write what is theirs"


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@dataclass(frozen=True)
class _Need:
    """A file that a service uses; ``is_own`` if nobody else needs it."""

    path: Path
    mode: int = os.R_OK
    is_own: bool = False


_FOLDER: Final = os.R_OK | os.W_OK | os.X_OK


def _shared_needs(path: Path, config: Config) -> Iterator[_Need]:
    yield _Need(path)
    yield from map(_Need, config.owners)


def _camera_needs(path: Path, config: Config) -> Iterator[_Need]:
    yield from _shared_needs(path, config)
    source, state = config.camera.source, config.state_dir
    if isinstance(source, StreamSource):
        if source.credentials_file is not None:
            yield _Need(source.credentials_file, is_own=True)
        if source.ca_file is not None:
            yield _Need(source.ca_file)
    for folder in (state / "camera", state / "camera" / "clips"):
        yield _Need(folder, _FOLDER, is_own=True)
    yield _Need(index.path_of(state), os.R_OK | os.W_OK, is_own=True)
    yield _Need(state / "wishes", os.R_OK | os.X_OK)
    yield _Need(device_keys.card_of(state))


def _gateway_needs(path: Path, config: Config) -> Iterator[_Need]:
    yield from _shared_needs(path, config)
    yield _Need(config.requesters)
    for broker in filter(None, (config.mqtt, config.feed.broker)):
        if broker.password_file is not None:
            yield _Need(broker.password_file, is_own=True)
        if broker.tls is not None and broker.tls.ca_file is not None:
            yield _Need(broker.tls.ca_file)
    state = config.state_dir
    for folder in (state / "gateway", state / "gateway" / "keys", state / "wishes"):
        yield _Need(folder, _FOLDER, is_own=True)
    yield _Need(device_keys.path_of(state), is_own=True)
    yield _Need(gateway.path_of(state), os.R_OK | os.W_OK, is_own=True)
    yield _Need(state / "camera" / "clips", os.R_OK | os.X_OK)


def _meet(user: str, need: _Need) -> None:
    """Raise unless ``user``, as whom we act, may use the file; what is not there yet is made."""
    if os.access(need.path, need.mode, effective_ids=True):
        return
    try:
        if not files.exists(need.path):
            return
    except ClipAgentError:
        pass  # in a folder that is closed to the user
    doing = "write" if need.mode & os.W_OK else "read"
    own = f"`sudo chown {user}:clip-agent {need.path}`"
    shared = f"`sudo chgrp clip-agent {need.path}` and `sudo chmod g+rX {need.path}`"
    raise ClipAgentError(
        f"{need.path}: {user} cannot {doing} it",
        advice=f"{own if need.is_own else shared} lets it. Look at the folders above as well",
    )
