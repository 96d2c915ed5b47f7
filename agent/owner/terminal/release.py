"""Release clips: ``approve share``. :mod:`.refuse` stops things.

Each command shows all that will happen, asks, and only then unlocks the keys and signs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from agent import config, options
from agent.consent.cards import RequesterCard, parse_card
from agent.consent.statements import Disclosure, Outcome
from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.client import OwnerClient
from agent.owner.decisions.choice import Choice
from agent.owner.decisions.sign import ReleasePlan
from agent.owner.terminal import confirm_view, prompts
from agent.owner.terminal.prompts import say
from agent.owner.visit.broker import AGREED, PROPOSED
from agent.owner.wording import text


def approve(arguments: argparse.Namespace) -> int:
    """``owner approve``"""
    client, choice = prompts.client(arguments), _choice(arguments)
    if arguments.joins is None:
        plans = client.plans.approvals(
            arguments.request, choice, camera=arguments.camera, days=arguments.days
        )
        return _release(client, plans, arguments)
    _refuse_unless(choice.is_empty)
    plan = client.plans.agreement(arguments.request, arguments.joins, days=arguments.days)
    return _release(client, [plan], arguments)


def share(arguments: argparse.Namespace) -> int:
    """``owner share``"""
    client, choice = prompts.client(arguments), _choice(arguments)
    card, url = arguments.to, arguments.url
    if arguments.joins is not None:
        _refuse_unless(choice.is_empty and card is None and url is None)
        plan = client.plans.share_agreement(arguments.joins, days=arguments.days)
        return _release(client, [plan], arguments)
    if not choice.clips or card is None or url is None:
        raise Refused("too-little", "name clips, and the recipient: --to CARD, --url URL")
    plans = client.plans.shares(
        choice,
        parse_card(config.read_text(card), RequesterCard, str(card)),
        url,
        camera=arguments.camera,
        days=arguments.days,
        allow_loopback_http=arguments.allow_loopback_http,
    )
    return _release(client, plans, arguments)


def _choice(arguments: argparse.Namespace) -> Choice:
    disclose = Disclosure(
        name=arguments.tell_name, address=arguments.tell_address, email=arguments.tell_email
    )
    return Choice(arguments.clips, arguments.trim, arguments.redact, disclose, arguments.codec)


def _refuse_unless(nothing_else: bool) -> None:
    if not nothing_else:
        raise Refused(
            "not-the-same",
            "--with agrees to exactly what another owner approved",
            advice="Leave out the rest, or leave out --with",
        )


def _release(
    client: OwnerClient, plans: Sequence[ReleasePlan], arguments: argparse.Namespace
) -> int:
    """Show all plans, ask once, and send each; the exit code is 1 if one was refused."""
    confirm_view.show(plans)
    prompts.warn(client)
    options.confirm("Sign it?", yes=arguments.yes)
    keys = prompts.unlock(client, arguments)
    return max(_send(client, plan, keys, arguments.wait) for plan in plans)


def _send(client: OwnerClient, plan: ReleasePlan, keys: Keys, wait_seconds: float) -> int:
    sent = client.send(
        plan,
        keys,
        wait_seconds=wait_seconds,
        on_sent=lambda subject: print(f"Signed and sent to {plan.device.name}, as {subject}."),
        on_outcome=_tell,
    )
    if sent.last is not None:
        return 0 if sent.last.event in ("SENT", "DELIVERED", PROPOSED, AGREED) else 1
    if sent.away is not None:
        say(f"{text.away(sent.away)}. It acts on this as soon as it is back.")
    elif wait_seconds > 0:
        print(f"{sent.device} has not finished yet.")
    print("To see the outcome:           clip-agent owner inbox")
    print(f"To stop it before it is sent: clip-agent owner revoke {sent.subject[:8]}")
    return 0


def _tell(outcome: Outcome) -> None:
    say(f"{outcome.device}: {text.outcome(outcome.event, outcome.detail)}")
    for line in text.left(outcome.event, outcome.files):
        say(f"  {line}")
    if outcome.event == PROPOSED:
        print("Nothing leaves before another owner has agreed to exactly this.")
