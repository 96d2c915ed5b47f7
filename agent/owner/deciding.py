"""What an owner decides: ``approve share decline mute unmute revoke pause resume``.

First everything is said that will happen, then the owner is asked, and only then the keys
are unlocked and something is signed.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from agent import options
from agent.owner import steps

if TYPE_CHECKING:
    from agent.consent.statements import ApprovedClip, Disclosure, Pause, Resume
    from agent.owner.decide import Decision, SharePlan
    from agent.owner.entries import OpenRequest
    from agent.owner.inbox import Inbox

_ORDERS_STAY = "A legal demand that is open stays open; of later ones you get a notice."


def approve(arguments: argparse.Namespace) -> int:
    """``owner approve``"""
    from agent.owner import decide, exchange, finding, view
    from agent.owner.given import Given

    home, clock = steps.home(arguments), steps.clock()
    inbox = steps.kept_inbox(home)
    item = finding.open_request(inbox, arguments.request)
    chosen, disclose, joins = _chosen(item, arguments, home.card().id)
    until = decide.approval_end(item, now=clock.now(), days=arguments.days)
    given = Given(home, inbox)
    gifts = given.of(item.device)
    view.console().print(view.approval(item, chosen, disclose, until, gifts=gifts))
    steps.warn(inbox)
    options.confirm("Let this go?", yes=arguments.yes)
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
    print(f"approval {decision.subject}")
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
    from agent.owner import choosing

    typed = _disclosure(arguments)
    if arguments.joins is None:
        clips = choosing.choose(
            item.report.clips, arguments.clips, cuts=arguments.cut, blurs=arguments.blur
        )
        return clips, typed, None
    _nothing_else(arguments)
    found = [one for one in item.report.proposals if one.release.startswith(arguments.joins)]
    if len(found) != 1:
        raise Refused(
            "no-such-release",
            f"no owner has approved anything as {arguments.joins!r}",
            advice=f"See `clip-agent owner show {item.digest[:8]}`",
        )
    (proposal,) = found
    if proposal.owner == me:
        raise Refused("own-proposal", "this is your own approval: another owner must agree to it")
    return choosing.repeat(item.report.clips, proposal.clips), proposal.disclose, proposal.release


def share(arguments: argparse.Namespace) -> int:
    """``owner share``"""
    from agent.consent import signing
    from agent.owner import decide, exchange, view
    from agent.owner.given import Given

    home, clock = steps.home(arguments), steps.clock()
    inbox = steps.kept_inbox(home)
    plan, joins = _plan(inbox, arguments, home.card().id)
    until = decide.end(now=clock.now(), days=arguments.days)
    key_id = signing.PublicKey.from_text(plan.to.key).id
    given = Given(home, inbox)
    view.console().print(view.share(plan, key_id, until, gifts=given.of(plan.device)))
    steps.warn(inbox)
    options.confirm("Let this go?", yes=arguments.yes)
    keys = steps.unlock(home, arguments)
    device = exchange.device_of(home.devices(), plan.device)
    decision = decide.share(plan, device, keys, now=clock.now(), days=arguments.days)
    print(f"share {decision.subject}")
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
    from agent.consent import signing
    from agent.consent.signing import RequesterCard
    from agent.errors import Refused
    from agent.owner import choosing, decide, finding
    from agent.owner.decide import SharePlan

    if arguments.joins is None:
        if not arguments.clips or arguments.to is None or arguments.url is None:
            raise Refused("too-little", "name clips, and with whom to share: --to CARD, --url URL")
        card = signing.parse_card(config.read_text(arguments.to), RequesterCard, str(arguments.to))
        to, target = decide.recipient(
            card, arguments.url, allow_loopback_http=arguments.allow_loopback_http
        )
        device, offers = finding.listed(inbox, arguments.clips, camera=arguments.camera)
        chosen = choosing.choose(offers, arguments.clips, cuts=arguments.cut, blurs=arguments.blur)
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

    changed = arguments.clips or arguments.cut or arguments.blur
    changed = changed or getattr(arguments, "to", None) or getattr(arguments, "url", None)
    if changed or _disclosure(arguments) != Disclosure():
        raise Refused(
            "not-the-same",
            "--with agrees to exactly what another owner approved",
            advice="Leave out the rest, or leave out --with",
        )


# Saying no


def decline(arguments: argparse.Namespace) -> int:
    """``owner decline``"""
    from agent.owner import decide, exchange, finding
    from agent.owner.standing import Decided

    home, clock = steps.home(arguments), steps.clock()
    inbox = steps.kept_inbox(home)
    item = finding.open_request(inbox, arguments.request)
    print(f"{item.report.record.name}: {item.request.title} ({item.digest[:16]})")
    print("Nobody is told. What you approved of it and was not sent yet is stopped.")
    question = "Decline, for good?"
    if arguments.mute:
        print(f"You will get no more letters about what {item.report.record.name} asks.")
        print(_ORDERS_STAY)
        question = "Decline, and mute?"
    options.confirm(question, yes=arguments.yes)
    device = exchange.device_of(home.devices(), item.device)
    keys = steps.unlock(home, arguments)
    now = clock.now()
    decision = decide.decline(item, device, keys, mute=arguments.mute, now=now)
    decided = Decided(home, inbox)

    def keep(sent: Decision) -> None:
        decided.keep_decline(sent, item.digest, now=now)
        if arguments.mute:
            decided.keep_mute(sent, item.request.iss, now=now)

    return steps.tell_camera(home, decision, keys, wait_seconds=arguments.wait, keep=keep)


def mute(arguments: argparse.Namespace) -> int:
    """``owner mute``"""
    return _mute(arguments, muted=True)


def unmute(arguments: argparse.Namespace) -> int:
    """``owner unmute``"""
    return _mute(arguments, muted=False)


def _mute(arguments: argparse.Namespace, *, muted: bool) -> int:
    from agent.consent.statements import Mute
    from agent.owner import decide, finding
    from agent.owner.standing import Decided

    home, now = steps.home(arguments), steps.clock().now()
    inbox, cards = steps.kept_inbox(home), steps.cameras(home, arguments.camera)
    requester, name = finding.requester(inbox, arguments.requester)
    print(f"{name}, key {requester}")
    if muted:
        print("You will get no more letters about what they ask; what is open is declined.")
        print(_ORDERS_STAY)
        options.confirm("Mute them?", yes=arguments.yes)
    keys = steps.unlock(home, arguments)
    decided, code = Decided(home, inbox), 0
    for card in cards:
        decision = decide.command(Mute(requester=requester, muted=muted), card, keys, now=now)
        code |= steps.tell_camera(
            home,
            decision,
            keys,
            wait_seconds=arguments.wait,
            keep=lambda sent: decided.keep_mute(sent, requester, now=now),
        )
    return code


def revoke(arguments: argparse.Namespace) -> int:
    """``owner revoke``"""
    from agent.consent.statements import Revoke
    from agent.errors import Refused
    from agent.owner import decide, exchange, finding

    home = steps.home(arguments)
    word = finding.release(steps.kept_inbox(home), arguments.release)
    outcome = word.outcome
    print(f"release {outcome.subject} of {word.device}: {outcome.event} {outcome.detail}".rstrip())
    if outcome.event == "SENT":
        raise Refused("was-sent", "it was sent, and cannot be called back")
    options.confirm("Stop it?", yes=arguments.yes)
    device = exchange.device_of(home.devices(), word.device)
    keys = steps.unlock(home, arguments)
    decision = decide.command(
        Revoke(release=outcome.subject), device, keys, now=steps.clock().now()
    )
    return steps.tell_camera(home, decision, keys, wait_seconds=arguments.wait)


def pause(arguments: argparse.Namespace) -> int:
    """``owner pause``"""
    from agent.consent.statements import Pause

    return _pause(arguments, Pause())


def resume(arguments: argparse.Namespace) -> int:
    """``owner resume``"""
    from agent.consent.statements import Resume

    return _pause(arguments, Resume())


def _pause(arguments: argparse.Namespace, what: Pause | Resume) -> int:
    from agent.consent.statements import Pause
    from agent.owner import decide
    from agent.owner.standing import Decided

    home, now = steps.home(arguments), steps.clock().now()
    inbox, cards = steps.kept_inbox(home), steps.cameras(home, arguments.camera)
    if isinstance(what, Pause):
        print("From now on no request is shown to you, legal demands and alerts among them.")
        print("They may run out meanwhile. To end it: clip-agent owner resume")
    keys = steps.unlock(home, arguments)
    decided, code = Decided(home, inbox), 0
    for card in cards:
        decision = decide.command(what, card, keys, now=now)
        code |= steps.tell_camera(
            home,
            decision,
            keys,
            wait_seconds=arguments.wait,
            keep=lambda sent: decided.keep_pause(sent, now=now),
        )
    return code
