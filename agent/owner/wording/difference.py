"""An edited request: the first text and a later one field by field, with their differences."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.consent.statements import Request
from agent.owner.inbox.items import OpenRequest
from agent.owner.wording import text
from agent.owner.wording.words import _

_WORDS = re.compile(r"\w+\s*|[^\s\w]\s*|\s+")
_MAX_PAIRS = 250_000  # of words; a text made to be slow to compare is marked as a whole

Run = tuple[str, bool]  # a piece of text, and True if the other text has it not


@dataclass(frozen=True)
class Difference:
    """The first text beside one that was posted later.

    ``rows``: label, first and later value of each field that differs; ``same``: the labels of the
    others. Times are Unix seconds.
    """

    first_at: float
    again_at: float
    rows: tuple[tuple[str, tuple[Run, ...], tuple[Run, ...]], ...]
    same: tuple[str, ...]

    @property
    def rest(self) -> str:
        """A sentence about the fields that do not differ."""
        if not self.rows:
            return _("They differ only in fields that are not shown, such as the time of signing.")
        same = ", ".join(self.same).lower()
        return _("The same in both: {fields}.").format(fields=same) if same else ""


def differences(item: OpenRequest) -> Iterator[Difference]:
    """Each later text beside the first."""
    first = _fields(item.request)
    for other in item.reposts:
        second = _fields(other.request)
        rows = tuple(
            (label, *marked(value, second[label][0], prose=prose))
            for label, (value, prose) in first.items()
            if value != second[label][0]
        )
        same = tuple(label for label in first if first[label] == second[label])
        yield Difference(item.request.iat, other.received_at, rows, same)


def marked(first: str, second: str, *, prose: bool) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Two different texts in runs; in ``prose`` only different words are marked."""
    left, right = _WORDS.findall(first), _WORDS.findall(second)
    if not prose or len(left) * len(right) > _MAX_PAIRS:
        left, right = [first], [second]
    runs: tuple[list[Run], list[Run]] = ([], [])
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    for what, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        runs[0].append(("".join(left[a_from:a_to]), what != "equal"))
        runs[1].append(("".join(right[b_from:b_to]), what != "equal"))
    shown = [tuple(run for run in side if run[0]) for side in runs]
    return shown[0], shown[1]


def _fields(request: Request) -> dict[str, tuple[str, bool]]:
    """The fields of a request that a person reads, by label; True for prose."""
    order = request.order
    said = f"{order.court}, {order.docket}, {order.document_sha256}" if order else _("none")
    return {
        _("Title"): (request.title, True),
        _("Text"): (request.text, True),
        _("Kind"): (request.kind, False),
        _("Order"): (said, False),
        _("Reference"): (request.reference, False),
        _("Incident"): (request.incident, False),
        _("Contact"): (request.contact, False),
        _("From"): (text.moment(request.window.start), False),
        _("To"): (text.moment(request.window.end), False),
        _("Area"): (_corners(request), False),
        _("Goes to"): (request.upload.url, False),
        _("Open until"): (text.moment(request.exp), False),
    }


def _corners(request: Request) -> str:
    """The area with all its corners: two areas may share centre and size."""
    corners = ", ".join(
        f"{latitude} {longitude}" for longitude, latitude in request.area.coordinates[0]
    )
    return f"{text.place(request.area)}: {corners}"
