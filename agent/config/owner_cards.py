"""The owners' cards that a configuration names, one by one or by their folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.errors import ConfigError

MAX_OWNERS: Final = 16  # the size of a clip's header allows for no more: two readers an owner
SUFFIX: Final = ".card.yaml"


def cards_of(paths: Sequence[Path]) -> tuple[Path, ...]:
    """``paths``, with the cards of a folder in its place, in the order of their names."""
    return tuple(
        card
        for path in paths
        for card in (sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path])
    )


def check_owners(cards: Sequence[Path], approvals_needed: int, name: str) -> None:
    """Raise ConfigError unless there are owners, not too many, and enough to agree."""
    if not cards:
        raise ConfigError(
            f"{name}: owners: there is no card in the folder yet",
            advice="Pair this camera with its owner: `clip-agent setup --pair`",
        )
    if len(cards) > MAX_OWNERS:
        raise ConfigError(f"{name}: owners: {len(cards)} cards, at most {MAX_OWNERS}")
    if approvals_needed > len(cards):
        raise ConfigError(
            f"{name}: approvals_needed: {approvals_needed} owners must agree, but"
            f" `owners` lists {len(cards)}"
        )
