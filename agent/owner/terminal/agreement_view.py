"""The end of a request's page: what was answered so far, who is waited for, how to answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from agent.consent.statements import Proposal
from agent.owner import text as words
from agent.owner.decisions.sent import SentDecision
from agent.owner.inbox.items import OpenRequest
from agent.owner.terminal import confirm_view as asking
from agent.owner.terminal import inbox_view as view


def given(item: OpenRequest, gifts: Sequence[SentDecision]) -> Iterator[RenderableType]:
    """What the owner has answered to this request, and to whom its clips went besides."""
    numbers = {offer.id: number for number, offer in enumerate(item.report.clips, 1)}
    rows: list[tuple[str, Text]] = []
    for gift in gifts:
        clips = [clip for clip in gift.clips if clip in numbers]
        here = gift.request == item.digest
        if not clips or not (here or gift.may_be_out):
            continue
        whom = "for this request" if here else f"to {gift.to}"
        state = words.outcome(gift.event, gift.detail)
        which = ", ".join(str(numbers[clip]) for clip in clips)
        rows.append(
            (f"Clip {which}", Text(f"{words.brief(gift.at)}, {whom}: {state} ({gift.release[:8]})"))
        )
    if rows:
        yield Text("What you let go of these clips so far", style="italic")
        yield view.labelled(rows, indent=2)


def agreement(item: OpenRequest, me: str) -> Iterator[RenderableType]:
    """What owners of the household have approved, who is waited for, and how to agree."""
    if item.report.approvals_needed < 2:
        return
    household = item.report.owners
    yield Text("\nTwo owners must approve the same before anything leaves.", style="bold")
    for proposal in item.report.proposals:
        mine = proposal.owner == me
        who = "You have" if mine else f"{asking.named(household, proposal.owner)} has"
        yield Text(f"{who[0].upper()}{who[1:]} approved, as {proposal.release[:8]}:")
        yield view.labelled(list(_proposed(item, proposal)), indent=4)
        if mine:
            yield Text(
                f"    It waits for {asking.awaited(household, {me})}.\n"
                f"    To take it back:  clip-agent owner revoke {proposal.release[:8]}"
            )
        else:
            yield Text(
                f"    It waits for {'you' if _is_owner(item, me) else 'another owner'}. To agree "
                "to exactly this:\n"
                f"    clip-agent owner approve {item.name} --with {proposal.release[:8]}"
            )


def _is_owner(item: OpenRequest, me: str) -> bool:
    return not item.report.owners or me in {owner.fingerprint for owner in item.report.owners}


def _proposed(item: OpenRequest, proposal: Proposal) -> Iterator[tuple[str, Text]]:
    numbers = {offer.id: number for number, offer in enumerate(item.report.clips, 1)}
    for clip in proposal.clips:
        yield f"Clip {numbers.get(clip.id, '?')}", Text(clip.id)
        yield from (("", Text(change)) for change in asking.changes(clip))
    yield "Of you", Text(asking.disclosed(proposal.disclose) or asking.NOTHING_TOLD)


def how_to_answer(item: OpenRequest) -> Text:
    """The commands to answer with, and what it means to give none."""
    name = item.name
    last = "Doing nothing is an answer too: nobody learns that you were asked."
    if item.request.order is not None:
        last = (
            "Doing nothing sends nothing, and nobody learns that you were asked. Whether you "
            "may do nothing is a question for a lawyer."
        )
    return Text(
        f"To see a clip:                    clip-agent owner preview 1 --request {name}\n"
        f"To let clip 1 go, and no other:   clip-agent owner approve {name} 1\n"
        "  only seconds 2 to 9 of it:       ... --trim 1=2-9\n"
        "  its left half greyed out:        ... --redact 1=0,0,0.5,1\n"
        f"To decline:                       clip-agent owner decline {name}\n"
        f"To decline, and hear no more\n"
        f"of who asks:                      clip-agent owner decline {name} --mute\n" + last
    )
