"""What an owner lets go: ``approve share``. Saying no is in :mod:`.refusing`.

First everything is said that will happen, then the owner is asked, and only then the keys
are unlocked and something is signed.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from agent import options
from agent.owner.terminal import prompts as steps

if TYPE_CHECKING:
    from agent.consent.statements import ApprovedClip, Disclosure
    from agent.owner.decisions.sign import SharePlan
    from agent.owner.inbox.inbox import Inbox
    from agent.owner.inbox.items import OpenRequest


def approve(arguments: argparse.Namespace) -> int:
    """``owner approve``"""
    from agent.owner import broker as exchange
    from agent.owner.decisions import sign as decide
    from agent.owner.decisions.sent import SentDecisions
    from agent.owner.inbox import lookup as finding
    from agent.owner.terminal import confirm_view as asking
    from agent.owner.terminal import inbox_view as view

    home, clock = steps.home(arguments), steps.clock()
    inbox = steps.kept_inbox(home)
    item = finding.open_request(inbox, arguments.request)
    me, now = home.card().fingerprint, clock.now()
    chosen, disclose, joins = _chosen(item, arguments, me)
    until = decide.approval_end(item, now=now, days=arguments.days)
    given = SentDecisions(home, inbox)
    gifts = given.of(item.device)
    sheet = asking.approval(item, chosen, disclose, until, now=now, gifts=gifts, me=me)
    view.console().print(sheet)
    steps.warn(inbox)
    options.confirm("Sign it?", yes=arguments.yes)
    keys = steps.unlock(home, arguments)
    decision = decide.approve(
        item,
        chosen,
        exchange.device_of(home.devices(), item.device),
        keys,
        disclose=disclose,
        now=clock.now(),
        days=arguments.days,
    )
    return steps.send(
        home,
        decision,
        keys,
        wait_seconds=arguments.wait,
        keep=lambda sent: given.keep(sent, now=clock.now()),
        joins=joins,
    )


def _chosen(
    item: OpenRequest, arguments: argparse.Namespace, me: str
) -> tuple[tuple[ApprovedClip, ...], Disclosure, str | None]:
    """Clips and disclosure as typed, or as another owner proposed, with that proposal's id."""
    from agent.errors import Refused
    from agent.owner.decisions import selection as choosing
    from agent.owner.inbox import short_ids as ids
    from agent.owner.terminal import confirm_view as asking

    typed = _disclosure(arguments)
    if arguments.joins is None:
        clips = choosing.choose(
            item.report.clips, arguments.clips, trims=arguments.trim, redacts=arguments.redact
        )
        return clips, typed, None
    _nothing_else(arguments)
    proposal = ids.pick(
        item.report.proposals,
        arguments.joins,
        name=lambda one: one.release,
        about=lambda one: f"by {asking.named(item.report.owners, one.owner)}",
    )
    if proposal is None:
        raise Refused(
            "no-such-release",
            f"no owner has approved anything as {arguments.joins!r}",
            advice=f"See `clip-agent owner show {item.name}`",
        )
    if proposal.owner == me:
        raise Refused("own-proposal", "this is your own approval: another owner must agree to it")
    return choosing.repeat(item.report.clips, proposal.clips), proposal.disclose, proposal.release


def share(arguments: argparse.Namespace) -> int:
    """``owner share``"""
    from agent.consent.cards import PublicKey
    from agent.owner import broker as exchange
    from agent.owner.decisions import sign as decide
    from agent.owner.decisions.sent import SentDecisions
    from agent.owner.terminal import confirm_view as asking
    from agent.owner.terminal import inbox_view as view

    home, clock = steps.home(arguments), steps.clock()
    inbox = steps.kept_inbox(home)
    me, now = home.card().fingerprint, clock.now()
    plan, joins = _plan(inbox, arguments, me)
    until = decide.end(now=now, days=arguments.days)
    given = SentDecisions(home, inbox)
    sheet = asking.share(
        plan,
        PublicKey.from_text(plan.to.key).fingerprint,
        until,
        now=now,
        gifts=given.of(plan.device),
        household=inbox.household(plan.device),
        me=me,
        joins=joins is not None,
    )
    view.console().print(sheet)
    steps.warn(inbox)
    options.confirm("Sign it?", yes=arguments.yes)
    keys = steps.unlock(home, arguments)
    device = exchange.device_of(home.devices(), plan.device)
    decision = decide.share(plan, device, keys, now=clock.now(), days=arguments.days)
    return steps.send(
        home,
        decision,
        keys,
        wait_seconds=arguments.wait,
        keep=lambda sent: given.keep(sent, now=clock.now()),
        joins=joins,
    )


def _plan(inbox: Inbox, arguments: argparse.Namespace, me: str) -> tuple[SharePlan, str | None]:
    """What to share as typed, or as another owner proposed, with that proposal's id."""
    from agent import config
    from agent.consent.cards import RequesterCard, parse_card
    from agent.errors import Refused
    from agent.owner.decisions import selection as choosing
    from agent.owner.decisions import sign as decide
    from agent.owner.decisions.sign import SharePlan
    from agent.owner.inbox import lookup as finding

    if arguments.joins is None:
        if not arguments.clips or arguments.to is None or arguments.url is None:
            raise Refused("too-little", "name clips, and with whom to share: --to CARD, --url URL")
        card = parse_card(config.read_text(arguments.to), RequesterCard, str(arguments.to))
        to, target = decide.recipient(
            card, arguments.url, allow_loopback_http=arguments.allow_loopback_http
        )
        device, offers = finding.listed(inbox, arguments.clips, camera=arguments.camera)
        chosen = choosing.choose(
            offers, arguments.clips, trims=arguments.trim, redacts=arguments.redact
        )
        return SharePlan(device, to, target, offers, chosen, _disclosure(arguments)), None
    _nothing_else(arguments)
    device, joins, said = finding.proposed_share(inbox, arguments.joins)
    if said.iss == me:
        raise Refused("own-proposal", "this is your own share: another owner must agree to it")
    offers = tuple(finding.clip(inbox, clip.id, camera=device)[1] for clip in said.clips)
    chosen = choosing.repeat(offers, said.clips)
    return SharePlan(device, said.recipient, said.upload, offers, chosen, said.disclose), joins


def _disclosure(arguments: argparse.Namespace) -> Disclosure:
    from agent.consent.statements import Disclosure

    return Disclosure(
        name=arguments.tell_name, address=arguments.tell_address, email=arguments.tell_email
    )


def _nothing_else(arguments: argparse.Namespace) -> None:
    """Whoever agrees agrees to exactly what another owner said."""
    from agent.consent.statements import Disclosure
    from agent.errors import Refused

    changed = arguments.clips or arguments.trim or arguments.redact
    changed = changed or getattr(arguments, "to", None) or getattr(arguments, "url", None)
    if changed or _disclosure(arguments) != Disclosure():
        raise Refused(
            "not-the-same",
            "--with agrees to exactly what another owner approved",
            advice="Leave out the rest, or leave out --with",
        )
