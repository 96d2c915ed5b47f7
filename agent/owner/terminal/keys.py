"""An owner's keys and cards: ``init card``."""

from __future__ import annotations

import argparse
import time

from agent import keyfile, options
from agent.consent.cards import format_card, format_fingerprint
from agent.owner import keys
from agent.owner.folder import OwnerFolder, Settings


def init(arguments: argparse.Namespace) -> int:
    """``owner init``"""
    settings = Settings(mqtt=options.broker(arguments))
    keyfile.refuse_existing(OwnerFolder(arguments.home).key_path)
    passphrase = keyfile.obtain_passphrase(arguments.passphrase_file, new=True)
    owner = keys.make(arguments.name, passphrase, now=time.time())
    folder = OwnerFolder.create(arguments.home, owner, settings)
    print(f"Your keys:       {folder.key_path}, which only your passphrase opens")
    print(f"Your card:       {folder.card_path}, for your cameras (owners: in agent.yaml)")
    print(f"Recovery sheet:  {folder.path / 'recovery.txt'}")
    print("Print the recovery sheet, keep it on paper, and delete the file.")
    return 0


def card(arguments: argparse.Namespace) -> int:
    """``owner card``"""
    folder = OwnerFolder(arguments.home)
    keyfile.require(folder.key_path, "owner")
    if arguments.add is None:
        card = folder.card()
        print(f"# fingerprint: {format_fingerprint(card.fingerprint)}\n{format_card(card)}", end="")
        return 0
    camera = folder.enrol(arguments.add)
    print(
        f"enrolled the camera {camera.name}, fingerprint {format_fingerprint(camera.fingerprint)}"
    )
    return 0
