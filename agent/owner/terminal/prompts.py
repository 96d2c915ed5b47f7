"""Steps that the owner's commands share: open the folder, unlock, send, tell."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence

from agent import keyfile
from agent.keyfile import Keys
from agent.owner.client import OwnerClient
from agent.owner.decisions.sign import Plan
from agent.owner.home import plain_copy
from agent.owner.home.folder import OwnerFolder
from agent.owner.wording import delivery

_IF_LOST = (
    "If the broker loses this letter, the camera sends nothing that you had approved before your"
    " next command, `clip-agent owner inbox` for one, has repeated it."
)


def client(arguments: argparse.Namespace) -> OwnerClient:
    """The owner's client; raises an error that says how to make keys or enrol a camera."""
    plain_copy.sweep()
    return OwnerClient(OwnerFolder(arguments.home))


def unlock(client: OwnerClient, arguments: argparse.Namespace) -> Keys:
    """The owner's keys, opened with their passphrase."""
    return client.unlock(keyfile.obtain_passphrase(arguments.passphrase_file, new=False))


def say(sentences: str) -> None:
    """Print a sentence or two, in lines that fit a narrow terminal."""
    print(textwrap.fill(sentences, 79, break_on_hyphens=False, break_long_words=False), flush=True)


def warn(client: OwnerClient) -> None:
    """Print the faults of letters to stderr."""
    for warning in client.inbox.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def tell_cameras(
    client: OwnerClient, plans: Sequence[Plan], arguments: argparse.Namespace, *, done: str
) -> int:
    """Sign and send plans that release nothing, and say whether each camera has obeyed.

    ``done``: what is then the case. The exit code is 1 if a camera refused.
    """
    keys, code = unlock(client, arguments), 0
    for plan in plans:
        sent = client.send(plan, keys, wait_seconds=arguments.wait)
        say(delivery.told(sent, done))
        if delivery.is_open(sent):
            say(_IF_LOST)
            print("To see its answer: clip-agent owner inbox")
        code = 1 if delivery.is_refused(sent) else code
    warn(client)
    return code
