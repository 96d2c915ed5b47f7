"""The requester's folder.

::

    requester.age          the keys, under a passphrase
    requester.yaml         name, broker, feed (:class:`Settings`)
    requester.card.yaml    the public half, for the owners' requesters.yaml
    posted/<digest16>.jws  each signed post
    keys-seen.json         the keys in the bundles so far (:mod:`agent.requester.cases.keys_seen`)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta, Struct

from agent import config, files, keyfile
from agent.config import Broker
from agent.consent import signing
from agent.consent.cards import RequesterCard, format_card, parse_card
from agent.errors import ConfigError
from agent.keyfile import Keys


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``requester.yaml``."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    broker: Broker | None = None  # of somebody who only receives, there is none
    feed: config.Feed = config.Feed()
    log: Path | None = None  # a small public log, for demos and tests: demo_log/log.py


class RequesterFolder:
    """A requester's folder, made by :meth:`create`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()
        self.key_path = self.path / "requester.age"
        self.card_path = self.path / "requester.card.yaml"
        self.settings_path = self.path / "requester.yaml"
        self.keys_seen_path = self.path / "keys-seen.json"

    @classmethod
    def create(cls, path: Path, locked: bytes, settings: Settings) -> RequesterFolder:
        """Write a new folder, all or nothing; one with files in it is refused with KeyFileError."""
        folder = cls(path)
        plain = msgspec.to_builtins(settings, enc_hook=str)
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
        config.parse_yaml(text, Settings, "the options")  # they come as text, without a check
        contents = {
            folder.key_path.name: (locked, 0o600),
            folder.settings_path.name: (text.encode(), 0o600),
        }
        keyfile.create_folder(folder.path, contents)
        return folder

    def settings(self) -> Settings:
        """``requester.yaml``; raises ConfigError."""
        path = self.settings_path
        return config.parse_yaml(config.read_text(path), Settings, str(path), base=self.path)

    def broker(self) -> Broker:
        """The broker of the feed; ConfigError with advice if none is set."""
        settings = self.settings()
        found = settings.feed.broker or settings.broker
        if found is None:
            raise ConfigError(
                f"{self.settings_path}: there is no broker to post to",
                advice="Add `broker: {host: HOST}` to it",
            )
        return found

    def unlock(self, passphrase: str) -> Keys:
        """The requester's keys, which must be those of the card, if there is one.

        Raises KeyFileError, and ConfigError for a damaged card. Takes about a second.
        """
        keys = keyfile.unlock(self.key_path, "requester", passphrase)
        if self.card_path.exists():
            card = self.card()
            keyfile.compare_card(self.card_path, keys, sign=card.sign, seal=card.seal)
        return keys

    def card(self) -> RequesterCard:
        """The requester's card; ConfigError with advice when there is none yet."""
        if not self.card_path.exists():
            raise ConfigError(
                f"{self.card_path}: there is no card yet",
                advice="Make it with `clip-agent requester card --host HOST`",
            )
        text = config.read_text(self.card_path)
        return parse_card(text, RequesterCard, str(self.card_path))

    def make_card(self, keys: Keys, *, hosts: Sequence[str], contact: str) -> RequesterCard:
        """Write a new card, with the hosts that bundles may go to; raises ConfigError."""
        card = RequesterCard(
            role="requester",
            name=self.settings().name,
            sign=keys.signing.public.text,
            seal=keys.recipient,
            upload_hosts=tuple(hosts),
            contact=contact,
        )
        text = format_card(card)
        parse_card(text, RequesterCard, "the new card")
        files.replace(self.card_path, text.encode(), mode=0o644)
        return card

    def keep_posted(self, jws: str) -> Path:
        """Store a post before it is sent; returns its file."""
        path = self.path / "posted" / f"{signing.digest(jws)[:16]}.jws"
        if not path.exists():
            keyfile.write_new(path, jws.encode("ascii"), mode=0o644)
        return path

    def posted(self) -> list[str]:
        """All stored posts."""
        return [config.read_text(path) for path in sorted((self.path / "posted").glob("*.jws"))]
