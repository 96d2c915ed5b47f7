"""An owner's keys and cards: ``init card passphrase passkeys recover``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from agent import config, keyfile, options
from agent.consent.cards import format_card, format_fingerprint
from agent.errors import ClipAgentError
from agent.mqtt import link
from agent.owner.home import keys, recovery
from agent.owner.home.folder import OwnerFolder, Settings
from agent.owner.passkeys.store import PasskeyStore
from agent.owner.wording import text

_HOW_TO_GO_ON = """\
The paper opens clips, and signs nothing. To approve again, and if anybody else may have
your key file or this paper:
  1. Run `sudo clip-agent setup --pair` on each camera, and here, with a new folder, the
     command that it shows:  clip-agent owner pair CODE --broker ... --home NEW
  2. On each camera, remove your old card from /etc/clip-agent/owners/ (or `owners:` in
     agent.yaml) and restart both services. New clips are then sealed to the new keys.
  3. Requests that you had paused stay paused:  clip-agent owner resume-requests --home NEW
Keep this paper as long as you keep clips from before. Delete the file that you typed."""


def init(arguments: argparse.Namespace) -> int:
    """``owner init``"""
    settings = Settings(mqtt=options.broker(arguments))
    link.credentials(settings.mqtt)
    keyfile.refuse_used(OwnerFolder(arguments.home).path)
    passphrase = keyfile.obtain_passphrase(arguments.passphrase_file, new=True)
    owner = keys.make(arguments.name, passphrase, now=time.time())
    folder = OwnerFolder.create(arguments.home, owner, settings)
    tell_of_keys(folder)
    return 0


def tell_of_keys(folder: OwnerFolder) -> None:
    """Print what a new folder holds, and what to do with the recovery sheet."""
    print(f"Your keys:       {folder.key_path}, which only your passphrase opens")
    print(f"Your card:       {folder.card_path}, for your cameras (owners: in agent.yaml)")
    print(f"Fingerprint:     {format_fingerprint(folder.card().fingerprint)}")
    print(f"Notification:    {folder.notification_path}, for `clip-agent owner watch`")
    print(f"Recovery sheet:  {folder.path / 'recovery.txt'}")
    print("Print the recovery sheet, keep it on paper, and delete the file.")


def card(arguments: argparse.Namespace) -> int:
    """``owner card``"""
    folder = OwnerFolder(arguments.home)
    keyfile.require(folder.key_path, "owner")
    if arguments.remove is not None:
        folder.remove(arguments.remove)
        print(f"removed the camera {arguments.remove}; your decisions are kept")
        return 0
    if arguments.add is None:
        card = folder.card()
        print(f"# fingerprint: {format_fingerprint(card.fingerprint)}\n{format_card(card)}", end="")
        return 0
    known = folder.devices()
    camera = folder.enrol(arguments.add)
    print(
        f"enrolled the camera {camera.name}, fingerprint {format_fingerprint(camera.fingerprint)}"
    )
    for name in sorted(known.keys() - folder.devices().keys()):
        print(f"It has the key of {name}, so it replaces that card: the camera was renamed.")
    return 0


def notification_key(arguments: argparse.Namespace) -> int:
    """``owner notification-key``"""
    folder = OwnerFolder(arguments.home)
    content = None if arguments.content is None else arguments.content == "yes"
    changed = folder.change_notification(new=arguments.new, content=content)
    notify = folder.card().notify
    print(f"Notification key: {folder.notification_path}, for `clip-agent owner watch`")
    shown = notify is not None and notify.content
    print(f"Titles and names of requesters in its letters: {'yes' if shown else 'no'}")
    if changed:
        print(f"Your card has changed. Copy {folder.card_path} to each camera (`owners:` in its")
        print("agent.yaml), and restart the gateway: sudo systemctl restart clip-agent-gateway")
    return 0


def passphrase(arguments: argparse.Namespace) -> int:
    """``owner passphrase``"""
    folder = OwnerFolder(arguments.home)
    keyfile.require(folder.key_path, "owner")
    opened = folder.unlock(keyfile.obtain_passphrase(arguments.passphrase_file, new=False))
    new = keyfile.obtain_passphrase(
        arguments.new_passphrase_file, new=True, variable=keyfile.NEW_PASSPHRASE_VARIABLE
    )
    keyfile.change_passphrase(folder.key_path, opened, "owner", new, now=time.time())
    print(f"The new passphrase opens {folder.key_path}.")
    print("Copies of that file, in backups for instance, still open with the old one.")
    if PasskeyStore(folder).enrolled().passkeys:
        print("Your passkeys open your keys as before: see `clip-agent owner passkeys`.")
    return 0


def passkeys(arguments: argparse.Namespace) -> int:
    """``owner passkeys``"""
    folder = OwnerFolder(arguments.home)
    keyfile.require(folder.key_path, "owner")
    store = PasskeyStore(folder)
    if arguments.remove is not None:
        store.remove(arguments.remove)
        print(f"removed the passkey {arguments.remove}: it opens nothing here any more")
        print("Somebody with its device and an older copy of this folder still opens your keys.")
        return 0
    known = store.enrolled()
    if arguments.json:
        told = ("id", "name", "rp_id", "backup_eligible", "backed_up", "made_at", "used_at")
        listed = [{name: getattr(one, name) for name in told} for one in known.passkeys]
        print(json.dumps({"passkeys": listed, "damaged": known.damaged}))
        return 0
    for one in known.passkeys:
        print(f"{one.id}  {one.name}, for {one.rp_id}, last used {text.moment(one.used_at)}")
    for name in known.damaged:
        print(f"{name}  damaged: it opens nothing")
    if not known.passkeys and not known.damaged:
        print("No passkey is enrolled. `clip-agent owner console` enrols one, in its settings.")
    return 0


def recover(arguments: argparse.Namespace) -> int:
    """``owner recover``"""
    paper: Path = arguments.paper
    typed = sys.stdin.read() if str(paper) == "-" else config.read_text(paper)
    identity, code = recovery.parse_paper(typed), 0
    print("The recovery key is typed correctly.")
    for clip, name in recovery.find_clips(arguments.clips):
        target = arguments.output / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            is_whole = recovery.open_clip(clip, identity, target)
            print(f"{target}{'' if is_whole else ' (its end is missing)'}", flush=True)
        except ClipAgentError as error:
            print(f"{clip}: {error}", file=sys.stderr)
            code = 1
    print(f"\n{_HOW_TO_GO_ON}")
    return code
