"""A requester's keys and card: ``init card``."""

from __future__ import annotations

import argparse
import time

from agent import keyfile, options
from agent.config import Feed
from agent.consent.cards import format_card
from agent.keyfile import Keys
from agent.requester.folder import RequesterFolder, Settings


def unlock(home: RequesterFolder, arguments: argparse.Namespace) -> Keys:
    """The requester's keys, opened with their passphrase."""
    return home.unlock(keyfile.obtain_passphrase(arguments.passphrase_file, new=False))


def init(arguments: argparse.Namespace) -> int:
    """``requester init``"""
    broker = options.broker(arguments)
    settings = Settings(name=arguments.name, broker=broker, feed=Feed(topic=arguments.feed))
    keyfile.refuse_existing(RequesterFolder(arguments.home).key_path)
    passphrase = keyfile.obtain_passphrase(arguments.passphrase_file, new=True)
    keys = keyfile.Keys.generate()
    locked = keyfile.lock(keys, "requester", passphrase, now=time.time())
    home = RequesterFolder.create(arguments.home, locked, settings)
    home.settings()  # what a person typed may not be what the file allows
    print(f"Your keys: {home.key_path}, opened by your passphrase alone")
    print("Next: clip-agent requester card --host HOST, where owners may upload to")
    return 0


def card(arguments: argparse.Namespace) -> int:
    """``requester card``"""
    home = RequesterFolder(arguments.home)
    if arguments.host:
        keys = unlock(home, arguments)
        card = home.make_card(keys, hosts=arguments.host, contact=arguments.contact)
    else:
        card = home.card()
    print(format_card(card), end="")
    return 0
