"""The parties of a device: itself, its owners, and the requesters that may ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agent import config
from agent.config import Config
from agent.consent import cards
from agent.consent.cards import OwnerCard, PublicKey, RequesterCard
from agent.errors import ConfigError


@dataclass(frozen=True)
class Parties:
    """Everybody whose keys count, read once at the start. ``requesters`` are by fingerprint."""

    device_name: str
    device_id: str
    owners: Sequence[OwnerCard]
    approvals_needed: int
    requesters: Mapping[str, RequesterCard]

    @classmethod
    def load(cls, settings: Config, *, device_id: str) -> Parties:
        """The parties of the configuration; ConfigError names a card that cannot be used."""
        path = settings.requesters
        return cls(
            device_name=settings.device.name,
            device_id=device_id,
            owners=load_owners(settings.owners),
            approvals_needed=settings.approvals_needed,
            requesters=cards.parse_requesters(config.read_text(path), str(path)),
        )

    @cached_property
    def owner_keys(self) -> Mapping[str, PublicKey]:
        """The owners' signing keys by fingerprint."""
        return {owner.fingerprint: owner.key for owner in self.owners}

    @cached_property
    def requester_keys(self) -> Mapping[str, PublicKey]:
        """The requesters' signing keys by fingerprint."""
        return {key_id: card.key for key_id, card in self.requesters.items()}


def load_owners(paths: Sequence[Path]) -> list[OwnerCard]:
    """The owners' cards; :class:`~agent.errors.ConfigError` names a bad one.

    Each key stands there once: one person with two cards could agree with themselves.
    """
    owners: dict[str, OwnerCard] = {}
    for path in paths:
        card = cards.parse_card(config.read_text(path), OwnerCard, str(path))
        if card.fingerprint in owners:
            raise ConfigError(f"{path}: the key of {card.name!r} is on another owner's card too")
        owners[card.fingerprint] = card
    return list(owners.values())


def recipients(owners: Sequence[OwnerCard]) -> list[str]:
    """The age recipients of every clip: each owner, and each owner's recovery key on paper."""
    return [recipient for owner in owners for recipient in (owner.seal, owner.recovery)]
