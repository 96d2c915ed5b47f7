"""``owner ledger``: the ledger of a camera, fetched, checked, printed or saved."""

from __future__ import annotations

import argparse

from agent import __version__
from agent.errors import Refused
from agent.owner.client import OwnerClient
from agent.owner.ledger.copy import LedgerCopy
from agent.owner.terminal import prompts
from agent.owner.terminal.prompts import say
from agent.owner.visit.clip_transfer import new_file
from agent.owner.wording import ledger as words
from agent.vault import ledger_html


def ledger(arguments: argparse.Namespace) -> int:
    """``owner ledger``; the exit code is 1 for a ledger that is broken."""
    client = prompts.client(arguments)
    device = _camera(client, arguments.camera)
    if arguments.output is not None and arguments.output.suffix not in (".html", ".jsonl"):
        raise Refused("wrong-name", "--output must end in .html or .jsonl")
    if arguments.offline:
        copy = client.ledgers.read(device)
    else:
        keys = prompts.unlock(client, arguments)
        copy = client.ledgers.fetch(device, keys, anew=arguments.anew)
    judged = words.judge(copy)
    if arguments.output is not None:
        _save(client, arguments, device, copy)
    else:
        for entry in judged.entries:
            print(f"{entry.seq:6d}  {words.when(entry)}  {words.sentence(entry)}")
            for name, value in words.details(entry):
                print(f"{'':8s}{name}: {value}")
    for sentence in judged.verdict:
        say(sentence)
    prompts.warn(client)
    return 1 if judged.broken else 0


def _camera(client: OwnerClient, name: str | None) -> str:
    if name is not None:
        return client.plans.camera(name).name
    if len(client.devices) > 1:
        raise Refused(
            "several-cameras", "each camera has a ledger of its own", advice="Give --camera"
        )
    return next(iter(client.devices))


def _save(
    client: OwnerClient, arguments: argparse.Namespace, device: str, copy: LedgerCopy
) -> None:
    if arguments.output.suffix == ".jsonl":
        content = copy.lines()
    else:
        page = ledger_html.page(copy, device=device, now=client.now(), version=__version__)
        content = "".join(page).encode()
    with new_file(arguments.output) as out:
        out.write(content)
    print(arguments.output)
