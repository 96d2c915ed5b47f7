"""Decide which clips leave, and how: the page that edits them, and the last page before signing.

Clips are decided for a request, or shared with somebody who has not asked. A second owner agrees
to exactly what another has signed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.consent.statements import ClipOffer, Disclosure
from agent.errors import ClipAgentError, ConfigError, KeyFileError, NetworkFault, Refused
from agent.keyfile import Keys
from agent.media.faces import finder
from agent.owner.client import OwnerClient
from agent.owner.console import step_up
from agent.owner.console.context import Context, endpoint, for_scripts, status_of
from agent.owner.console.editing import drafts, edits
from agent.owner.console.editing.drafts import Draft, LastPage
from agent.owner.console.editing.edits import EditedClip, Edits
from agent.owner.console.pages import releases
from agent.owner.decisions.sign import DEFAULT_DAYS, MAX_DAYS, ReleasePlan
from agent.owner.inbox.items import RequestPage
from agent.owner.wording import confirmation, requests
from agent.owner.wording.words import _


@dataclass(frozen=True)
class Shot:
    """A clip on the page that edits it."""

    device: str
    offer: ClipOffer
    edited: EditedClip

    @property
    def text(self) -> str:
        """The edits as JSON, for the page's script."""
        return msgspec.json.encode(self.edited).decode()


@dataclass(frozen=True)
class Part:
    """All that one camera sends, on the last page; ``clips`` by their numbers."""

    camera: str
    heading: str
    facts: list[confirmation.Fact]
    clips: list[tuple[int, str]]

    @classmethod
    def of(cls, plan: ReleasePlan) -> Part:
        """The words of a plan."""
        clips = [(confirmation.number(plan, clip), clip.id) for clip in plan.clips]
        heading, facts = confirmation.heading(plan), confirmation.facts(plan)
        return cls(plan.device.name, heading, facts, clips)


# The page that edits


def decide(context: Context) -> Response:
    """Clips that match a request, as chosen on its page."""
    chosen = tuple(EditedClip(one) for one in context.fields("clips"))
    return _edit(context, Draft(context.path("digest"), Edits(chosen)))


def share(context: Context) -> Response:
    """Clips for somebody who has not asked."""
    chosen = tuple(EditedClip(one) for one in context.fields("clips"))
    return _edit(context, Draft(edits=Edits(chosen)))


def change(context: Context) -> Response:
    """Back from the last page."""
    return _edit(context, Draft.parse(context.field("draft")))


def _edit(context: Context, draft: Draft, error: ClipAgentError | None = None) -> Response:
    client = context.client()
    asked = client.show_all(draft.request) if draft.request else []
    shots = _shots(client, draft, asked)
    chosen = msgspec.structs.replace(draft.edits, clips=tuple(shot.edited for shot in shots))
    return context.render(
        "decide.html",
        status=200 if error is None else status_of(error),
        draft=msgspec.structs.replace(draft, edits=chosen),
        asked=asked,
        shots=shots,
        boxes=_serious(asked),
        most_days=MAX_DAYS,
        can_find_faces=finder.why_not() is None,
        error=error,
    )


def _shots(client: OwnerClient, draft: Draft, asked: Sequence[RequestPage]) -> list[Shot]:
    """The chosen clips in the order of their times; of a request without a choice, all."""
    chosen = {one.id: one for one in draft.edits.clips}
    if draft.request:
        offered = [
            (page.item.device, offer)
            for page in asked
            for offer in page.item.report.clips
            if offer.id not in page.item.closed_clips.ids
        ]
    else:
        offered = [client.find_clip(one) for one in chosen]
    found = [
        Shot(device, offer, chosen.get(offer.id, EditedClip(offer.id)))
        for device, offer in offered
        if offer.id in chosen or not chosen
    ]
    if not found:
        raise Refused("no-clips", "choose the clips to decide on", advice="Go back to choose them")
    return sorted(found, key=lambda one: (one.offer.started_at, one.offer.start_ms, one.device))


# The last page


def preview(context: Context) -> Response:
    """The last page for the edits that were sent; or the same page again, with what is wrong."""
    draft, error = _filled(context)
    if error is None:
        try:
            return _last(context, draft)
        except (Refused, ConfigError) as wrong:
            error = wrong
    return _edit(context, draft, error)


def _filled(context: Context) -> tuple[Draft, ClipAgentError | None]:
    """The draft by the form, and the first of its faults; all else of it is kept."""
    draft = Draft(request=context.request.path_params.get("digest", ""))
    error: Refused | None = None
    told = {name: context.field(f"tell-{name}").strip() or None for name in _TOLD}
    parts: dict[str, Callable[[], object]] = {
        "edits": lambda: edits.parse(context.field("edits")),
        "told": lambda: _converted(told, Disclosure, _("What they learn of you")),
        "days": lambda: _converted(context.field("days") or DEFAULT_DAYS, float, _("The days")),
        "card": lambda: context.field("card"),
        "url": lambda: context.field("url").strip(),
    }
    for name, part in parts.items():
        try:
            draft = msgspec.structs.replace(draft, **{name: part()})
        except Refused as wrong:
            error = error or wrong
    return draft, error


def _converted(value: object, kind: type, what: str) -> object:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused("malformed-form", f"{what}: {error}") from error


_TOLD = ("name", "address", "email")


def agree(context: Context) -> Response:
    """The last page for what another owner has signed."""
    request = context.request.path_params.get("digest", "")
    return _last(context, Draft(request, joins=context.field("release")))


def facts(context: Context) -> Response:
    """The facts of the last page as they are now, and their digest, for the page's script."""
    page = drafts.show(context, Draft.parse(context.field("draft")))
    parts = [[asdict(fact) for fact in confirmation.facts(plan)] for plan in page.plans]
    return JSONResponse({"plan": page.digest, "parts": parts})


def _last(
    context: Context,
    draft: Draft,
    error: ClipAgentError | None = None,
    page: LastPage | None = None,
) -> Response:
    if page is None:
        page = drafts.show(context, draft)
    asked = context.client().show_all(draft.request) if draft.request else []
    return context.render(
        "confirm.html",
        status=200 if error is None else status_of(error),
        draft=draft,
        plan=page.digest,
        parts=[Part.of(one) for one in page.plans],
        final=confirmation.final(),
        boxes=_serious(asked),
        joins=bool(draft.joins),
        error=error,
    )


def _serious(asked: Sequence[RequestPage]) -> list[requests.Box]:
    """The serious warnings about a request, each once."""
    found = {box: None for page in asked for box in requests.boxes(page) if box.is_serious}
    return [*found]


# The signature


_signing = threading.Lock()


def sign(context: Context) -> Response:
    """Sign exactly what the last page showed, and send it."""
    draft, wanted = Draft.parse(context.field("draft")), context.field(step_up.PLAN)
    page = drafts.shown_before(context, draft, wanted)
    if page is None:
        return _changed(context, draft)
    try:
        keys = step_up.keys_for(context, page.digest)
    except (KeyFileError, Refused) as error:
        return _last(context, draft, error, page)
    with _signing:  # another tab may have signed the same while the keys were opened
        page = drafts.shown_before(context, draft, wanted)
        if page is None:
            return _changed(context, draft)
        drafts.signed(context, page)
        sent, faults = _send(context, page, keys)
    if not sent:
        return _last(context, draft, _nothing_sent(faults))
    context.console.collector.forget()
    if faults:
        releases.note_unsent(context, faults)
    return context.redirect(f"/releases/sent?{urlencode([('release', one) for one in sent])}")


def _changed(context: Context, draft: Draft) -> Response:
    why = Refused(
        "page-changed",
        "something has changed since you saw this page, or it is too old",
        advice="Nothing was signed. Read it again",
    )
    return _last(context, draft, why)


def _send(
    context: Context, page: LastPage, keys: Keys
) -> tuple[list[str], dict[str, ClipAgentError]]:
    """Sign and send each plan: the releases, and by camera the reason why there is none."""
    client, sent = context.client(), list[str]()
    faults: dict[str, ClipAgentError] = {}
    for plan in page.plans:
        try:
            delivery = client.send(plan, keys)
        except (Refused, NetworkFault) as error:
            faults[plan.device.name] = error
        else:
            sent.append(f"{delivery.device}/{delivery.subject}")
    return sent, faults


def _nothing_sent(faults: Mapping[str, ClipAgentError]) -> ClipAgentError:
    first, *more = faults.values()
    if not more:
        return first
    why = "; ".join(f"{camera}: {error}" for camera, error in faults.items())
    return NetworkFault(_("nothing was sent. {why}").format(why=why))


ROUTES = [
    Route("/requests/{digest}/decide", endpoint(decide), methods=["GET"]),
    Route("/requests/{digest}/decide", endpoint(preview), methods=["POST"]),
    Route("/requests/{digest}/agree", endpoint(agree), methods=["GET"]),
    Route("/share", endpoint(share), methods=["GET"]),
    Route("/share", endpoint(preview), methods=["POST"]),
    Route("/share/agree", endpoint(agree), methods=["GET"]),
    Route("/decide/facts", endpoint(for_scripts(facts)), methods=["POST"]),
    Route("/decide/change", endpoint(change), methods=["POST"]),
    Route("/decide/sign", endpoint(sign), methods=["POST"]),
]
