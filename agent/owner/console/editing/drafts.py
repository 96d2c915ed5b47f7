"""A release that the owner prepares, from the first page to the last, and the plans it becomes.

A draft travels in the pages' forms as JSON, decoded strictly. It is one of: an approval of clips
(``request``), a share of clips (``card`` and ``url``), an agreement to another owner's approval
(``request`` and ``joins``), or to another owner's share (``joins``).

The last page shows plans. It is remembered in the session under their digest
(:mod:`agent.owner.decisions.digest`), with its time. What is then signed are the same plans, made
anew with that time: if anything has changed meanwhile, if only that a clip was sent to somebody
else, their digest is another one, and the page is shown again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from agent.clock import Clock
from agent.consent.cards import RequesterCard, parse_card
from agent.consent.statements import Disclosure
from agent.errors import Refused
from agent.owner.client import OwnerClient
from agent.owner.console.context import Context
from agent.owner.console.editing.edits import Edits
from agent.owner.decisions import digest
from agent.owner.decisions.sign import DEFAULT_DAYS, ReleasePlan

SHOWN_SECONDS = 900.0  # so long the last page may be signed
_MOST_SHOWN = 50
_SHOWN = "last pages"


class Draft(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A release before its last page."""

    request: str = ""
    edits: Edits = Edits()
    told: Disclosure = Disclosure()
    days: Annotated[float, Meta(gt=0)] = DEFAULT_DAYS
    joins: str = ""
    card: str = ""
    url: str = ""

    @classmethod
    def parse(cls, text: str) -> Draft:
        """Read the JSON of a form; Refused ``malformed-draft``."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise Refused(
                "malformed-draft", f"this page is malformed: {error}", advice="Begin again"
            ) from error

    @property
    def text(self) -> str:
        """The JSON of :meth:`parse`."""
        return msgspec.json.encode(self).decode()

    @property
    def address(self) -> str:
        """The page on which it was begun."""
        return f"/requests/{self.request}" if self.request else "/timeline"

    def plans(self, client: OwnerClient) -> tuple[ReleasePlan, ...]:
        """The plans that it becomes, one for each camera; Refused if it cannot."""
        plans, choice = client.plans, self.edits.choice(self.told)
        if self.joins and self.request:
            return (plans.agreement(self.request, self.joins, days=self.days),)
        if self.joins:
            return (plans.share_agreement(self.joins, days=self.days),)
        if self.request:
            return plans.approvals(self.request, choice, days=self.days)
        card = parse_card(self.card, RequesterCard, "the card")
        return plans.shares(choice, card, self.url, days=self.days)


@dataclass(frozen=True)
class LastPage:
    """The plans that a page shows, and their digest."""

    plans: tuple[ReleasePlan, ...]
    digest: str


def show(context: Context, draft: Draft) -> LastPage:
    """Make the plans, and remember that this session was shown them now."""
    now = context.console.clock.now()
    page = _page(context, draft, now)
    shown = _shown(context)
    shown[page.digest] = now
    for old in [*shown][:-_MOST_SHOWN]:
        shown.pop(old, None)
    return page


def shown_before(context: Context, draft: Draft, wanted: str) -> LastPage | None:
    """The page with the digest ``wanted``, if this session was shown it and nothing has changed."""
    at, now = _shown(context).get(wanted), context.console.clock.now()
    if at is None or not 0 <= now - at <= SHOWN_SECONDS:
        return None
    page = _page(context, draft, at)
    return page if page.digest == wanted else None


def signed(context: Context, page: LastPage) -> None:
    """Forget a page that was signed, so that it is not signed twice; Refused if it was."""
    if _shown(context).pop(page.digest, None) is None:
        raise Refused("signed-before", "this page was signed a moment ago")


def _page(context: Context, draft: Draft, now: float) -> LastPage:
    client = OwnerClient(context.console.folder, clock=_At(context.console.clock, now))
    plans = draft.plans(client)
    return LastPage(plans, digest.of(*plans))


def _shown(context: Context) -> dict[str, float]:
    found = context.session.memory.setdefault(_SHOWN, dict[str, float]())
    assert isinstance(found, dict)
    return found


class _At:
    """A clock that shows one wall time."""

    def __init__(self, clock: Clock, now: float) -> None:
        self._clock = clock
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def synced(self) -> bool:
        return self._clock.synced()

    def boot_id(self) -> str:
        return self._clock.boot_id()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
