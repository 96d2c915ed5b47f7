"""The end of a request's page: earlier releases, who must still agree, how to answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from agent.consent.statements import Proposal
from agent.owner.inbox.items import Answer, OpenRequest
from agent.owner.terminal.layout import labelled
from agent.owner.wording import text


def released(item: OpenRequest, sent: Sequence[Answer]) -> Iterator[RenderableType]:
    """The owner's releases for this request, and those of its clips to others."""
    numbers = {offer.id: number for number, offer in enumerate(item.report.clips, 1)}
    rows: list[tuple[str, Text]] = []
    for one in sent:
        clips = [clip for clip in one.clips if clip in numbers]
        is_here = one.request == item.digest
        if not clips or not (is_here or one.may_be_out):
            continue
        whom = "for this request" if is_here else f"to {one.to}"
        state = text.outcome(one.event, one.detail)
        which = ", ".join(str(numbers[clip]) for clip in clips)
        rows.append(
            (f"Clip {which}", Text(f"{text.brief(one.at)}, {whom}: {state} ({one.release[:8]})"))
        )
    if rows:
        yield Text("Your releases of these clips so far", style="italic")
        yield labelled(rows, indent=2)


def agreement(item: OpenRequest, me: str) -> Iterator[RenderableType]:
    """The household's approvals, the owners who must still agree, and how to agree."""
    if item.report.approvals_needed < 2:
        return
    household = item.report.owners
    yield Text("\nTwo owners must approve the same before anything leaves.", style="bold")
    for proposal in item.report.proposals:
        is_mine = proposal.owner == me
        who = "You have" if is_mine else f"{text.named(household, proposal.owner)} has"
        yield Text(f"{who[0].upper()}{who[1:]} approved, as {proposal.release[:8]}:")
        yield labelled(list(_proposed(item, proposal)), indent=4)
        if is_mine:
            yield Text(
                f"    It waits for {text.awaited(household, {me})}.\n"
                f"    To take it back:  clip-agent owner revoke {proposal.release[:8]}"
            )
        else:
            is_owner = not household or me in {owner.fingerprint for owner in household}
            yield Text(
                f"    It waits for {'you' if is_owner else 'another owner'}. To agree "
                "to exactly this:\n"
                f"    clip-agent owner approve {item.name} --with {proposal.release[:8]}"
            )


def _proposed(item: OpenRequest, proposal: Proposal) -> Iterator[tuple[str, Text]]:
    numbers = {offer.id: number for number, offer in enumerate(item.report.clips, 1)}
    for clip in proposal.clips:
        yield f"Clip {numbers.get(clip.id, '?')}", Text(clip.id)
        yield from (("", Text(change)) for change in text.changes(clip))
    yield "About you", Text(text.disclosed(proposal.disclose) or text.nothing_told())


def how_to_answer(item: OpenRequest) -> Text:
    """The commands to answer with, and the meaning of silence."""
    name = item.name
    last = "You need not answer: nobody learns that you were asked."
    if item.request.order is not None:
        last = (
            "Without an answer nothing is sent, and nobody learns that you were asked. Whether "
            "you may stay silent is a question for a lawyer."
        )
    return Text(
        f"To see a clip:                     clip-agent owner preview 1 --request {name}\n"
        f"To release clip 1, and no other:   clip-agent owner approve {name} 1\n"
        "  only seconds 2 to 9 of it:        ... --trim 1=2-9\n"
        "  its left half covered with grey:  ... --redact 1=0,0,0.5,1\n"
        f"To decline:                        clip-agent owner decline {name}\n"
        f"To decline, and mute the sender:   clip-agent owner decline {name} --mute\n" + last
    )
