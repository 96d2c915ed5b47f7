"""``agent.yaml`` as the setup writes it, and one more owner in a file that somebody wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from agent import config
from agent.cli.instance import Instance
from agent.errors import ConfigError

_OWNERS: Final = "owners"  # the folder of cards

_HEAD: Final = """\
# Settings of this camera, written by `clip-agent setup` on {day}. Edit them as you like; setup
# does not change them again. All that is not here has its default:
# `clip-agent config --example` explains each setting.
"""
_EMPTY_REQUESTERS: Final = """\
# Who may ask for clips: nobody yet. Add a requester's card only from a source that you trust, and
# compare its fingerprint by telephone.
requesters: []
"""


def new(settings: Mapping[str, Any], *, now: float) -> str:
    """The text of a new file; ``settings`` are its sections."""
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    body = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
    return f"{_HEAD.format(day=day)}{body}"


def owners_of(path: Path) -> Path:
    """The folder of owners' cards for the file ``path``."""
    return Instance.of(path).folder / _OWNERS


def no_requesters() -> str:
    """The text of a ``requesters.yaml`` of nobody."""
    return _EMPTY_REQUESTERS


def with_owners_folder(text: str, path: Path) -> str:
    """``text`` of the file ``path``, whose `owners` name the folder of cards too.

    Only a list on one line is edited, so that every comment stays. Raises ConfigError for
    another form.
    """
    named = config.parse_yaml(text, config.Config, str(path), base=path.parent).owners
    folder = owners_of(path)
    if folder in named:
        return text
    owners = folder.relative_to(path.parent)
    changed, count = re.subn(
        r"^owners:[ \t]*\[([^\]\n#]*)\]", rf"owners: [\1, {owners}]", text, flags=re.MULTILINE
    )
    if count == 1:
        after = config.parse_yaml(changed, config.Config, str(path), base=path.parent).owners
        if after == (*named, folder):
            return changed
    raise ConfigError(
        f"{path}: owners: cannot be edited by a program",
        advice=f"Add `{owners}`, the folder of the cards that setup writes, to the list there",
    )
