"""A requester's keys and key card: ``init card``."""

from __future__ import annotations

import argparse
import time

from agent import keyfile, options
from agent.config import Feed
from agent.consent.cards import format_card, format_fingerprint
from agent.keyfile import Keys
from agent.mqtt import link
from agent.requester.folder import RequesterFolder, Settings


def unlock(folder: RequesterFolder, arguments: argparse.Namespace) -> Keys:
    """The requester's keys, opened with their passphrase."""
    return folder.unlock(keyfile.obtain_passphrase(arguments.passphrase_file, new=False))


def init(arguments: argparse.Namespace) -> int:
    """``requester init``"""
    broker = None if arguments.broker is None else options.broker(arguments)
    settings = Settings(name=arguments.name, broker=broker, feed=Feed(topic=arguments.feed))
    if broker is not None:
        link.credentials(broker)
    keyfile.refuse_used(RequesterFolder(arguments.home).path)
    passphrase = keyfile.obtain_passphrase(arguments.passphrase_file, new=True)
    keys = keyfile.Keys.generate()
    locked = keyfile.lock(keys, "requester", passphrase, now=time.time())
    folder = RequesterFolder.create(arguments.home, locked, settings)
    print(f"Your keys: {folder.key_path}, protected by your passphrase")
    print(f"Fingerprint: {format_fingerprint(keys.fingerprint)}")
    print("Next: clip-agent requester card --host HOST (the host that owners upload to)")
    return 0


def card(arguments: argparse.Namespace) -> int:
    """``requester card``"""
    folder = RequesterFolder(arguments.home)
    if arguments.host:
        keys = unlock(folder, arguments)
        card = folder.make_card(keys, hosts=arguments.host, contact=arguments.contact)
    else:
        card = folder.card()
    print(f"# fingerprint: {format_fingerprint(card.fingerprint)}\n{format_card(card)}", end="")
    return 0
