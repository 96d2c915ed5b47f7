"""What an owner stops: ``decline mute unmute revoke pause resume``. Nothing leaves by these.

First everything is said that will happen, then the owner is asked, and only then the keys
are unlocked and something is signed.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from agent import options
from agent.owner.terminal import prompts as steps

if TYPE_CHECKING:
    from agent.consent.statements import PauseRequests, ResumeRequests
    from agent.owner.decisions.sign import Decision

_ORDERS_STAY = "Any other legal demand that is open stays open; of later ones you get a notice."


def decline(arguments: argparse.Namespace) -> int:
    """``owner decline``"""
    from agent.owner import broker as exchange
    from agent.owner.decisions import sign as decide
    from agent.owner.inbox import lookup as finding
    from agent.owner.standing import StandingDecisions

    home, clock = steps.home(arguments), steps.clock()
    inbox = steps.kept_inbox(home)
    item = finding.open_request(inbox, arguments.request)
    print(f"Request {item.name} of {item.report.record.name}:\n  {item.request.title}")
    if item.request.order is not None:
        print("They say that a court has ordered this. To ignore a real order can have")
        print("consequences: ask that court, or a lawyer, before you decline.")
    print("If you sign, it is closed for good, and nobody is told. What you approved of it")
    print("and was not sent yet is stopped.")
    question = "Decline, for good?"
    if arguments.mute:
        steps.say(f"You will get no more letters about what {item.report.record.name} asks.")
        steps.say(_ORDERS_STAY)
        question = "Decline, and mute?"
    options.confirm(question, yes=arguments.yes)
    device = exchange.device_of(home.devices(), item.device)
    keys = steps.unlock(home, arguments)
    now = clock.now()
    decision = decide.decline(item, device, keys, mute=arguments.mute, now=now)
    decided = StandingDecisions(home, inbox)

    def keep(sent: Decision) -> None:
        decided.keep_decline(sent, item.digest, now=now)
        if arguments.mute:
            decided.keep_mute(sent, item.request.iss, now=now)

    return steps.tell_camera(
        home,
        decision,
        keys,
        wait_seconds=arguments.wait,
        keep=keep,
        done="The request is closed, and nobody was told.",
    )


def mute(arguments: argparse.Namespace) -> int:
    """``owner mute``"""
    return _mute(arguments, muted=True)


def unmute(arguments: argparse.Namespace) -> int:
    """``owner unmute``"""
    return _mute(arguments, muted=False)


def _mute(arguments: argparse.Namespace, *, muted: bool) -> int:
    from agent.consent.statements import Mute
    from agent.owner.decisions import sign as decide
    from agent.owner.inbox import lookup as finding
    from agent.owner.standing import StandingDecisions

    home, now = steps.home(arguments), steps.clock().now()
    inbox, cards = steps.kept_inbox(home), steps.cameras(home, arguments.camera)
    requester, name = finding.requester(inbox, arguments.requester)
    print(f"{name}, key {requester}")
    if muted:
        print("You will get no more letters about what they ask; what is open is declined.")
        steps.say(_ORDERS_STAY)
        options.confirm("Mute them?", yes=arguments.yes)
    keys = steps.unlock(home, arguments)
    decided, code = StandingDecisions(home, inbox), 0
    for card in cards:
        decision = decide.command(Mute(requester=requester, muted=muted), card, keys, now=now)
        code |= steps.tell_camera(
            home,
            decision,
            keys,
            wait_seconds=arguments.wait,
            keep=lambda sent: decided.keep_mute(sent, requester, now=now),
            done=f"{name} is muted." if muted else f"{name} is heard again.",
        )
    return code


def revoke(arguments: argparse.Namespace) -> int:
    """``owner revoke``"""
    from agent.consent.statements import Revoke
    from agent.errors import Refused
    from agent.owner import broker as exchange
    from agent.owner import text as words
    from agent.owner.decisions import history as answers
    from agent.owner.decisions import sign as decide

    home = steps.home(arguments)
    answer = answers.find(steps.answers(home, steps.kept_inbox(home)), arguments.release)
    to = f" to {answer.to}" if answer.to else ""
    print(f"{answer.device}, release {answer.release}{to}:")
    print(f"  {words.outcome(answer.event, answer.detail)}, when it was last heard of")
    if answer.event == "SENT":
        raise Refused("was-sent", "it was sent, and cannot be called back")
    options.confirm("Stop it?", yes=arguments.yes)
    device = exchange.device_of(home.devices(), answer.device)
    keys = steps.unlock(home, arguments)
    decision = decide.command(Revoke(release=answer.release), device, keys, now=steps.clock().now())
    return steps.tell_camera(
        home,
        decision,
        keys,
        wait_seconds=arguments.wait,
        done="It is stopped, and is not sent.",
    )


def pause_requests(arguments: argparse.Namespace) -> int:
    """``owner pause-requests``"""
    from agent.consent.statements import PauseRequests

    return _pause(arguments, PauseRequests())


def resume_requests(arguments: argparse.Namespace) -> int:
    """``owner resume-requests``"""
    from agent.consent.statements import ResumeRequests

    return _pause(arguments, ResumeRequests())


def _pause(arguments: argparse.Namespace, what: PauseRequests | ResumeRequests) -> int:
    from agent.consent.statements import PauseRequests
    from agent.owner.decisions import sign as decide
    from agent.owner.standing import StandingDecisions

    home, now = steps.home(arguments), steps.clock().now()
    inbox, cards = steps.kept_inbox(home), steps.cameras(home, arguments.camera)
    done = "Requests are shown again: clip-agent owner inbox"
    if isinstance(what, PauseRequests):
        done = "Requests are no longer shown."
        print(
            "Recording goes on. From now on you get no requests, legal orders and alerts included."
        )
        print("They may run out meanwhile. To end it: clip-agent owner resume-requests")
    keys = steps.unlock(home, arguments)
    decided, code = StandingDecisions(home, inbox), 0
    for card in cards:
        decision = decide.command(what, card, keys, now=now)
        code |= steps.tell_camera(
            home,
            decision,
            keys,
            wait_seconds=arguments.wait,
            keep=lambda sent: decided.keep_pause(sent, now=now),
            done=done,
        )
    return code
