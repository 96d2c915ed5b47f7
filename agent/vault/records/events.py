"""Events of the ledger, each with the sentence that explains it to people.

A sentence is a format: ``{who}``, ``{count}``, ``{to}`` and ``{because}`` are made of a line's
detail, any other name is a key of it. :mod:`agent.cli.ledger_text` fills them in.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Event(StrEnum):
    """An event, as it stands in a line; ``sentence`` says what the line means."""

    sentence: str

    def __new__(cls, name: str, sentence: str) -> Self:
        """An event without a sentence cannot be defined."""
        event = str.__new__(cls, name)
        event._value_ = name
        event.sentence = sentence
        return event

    REQUEST_OPENED = (
        "request.opened",
        "{who} asked for clips ({kind}, reference {reference}). The owner's rules admit the"
        " request.",
    )
    REQUEST_REFUSED = (
        "request.refused",
        "{who} asked for clips ({kind}, reference {reference}). The owner's rules refused the"
        " request: {why} ({rule}). Nobody was told.",
    )
    REQUEST_MATCHED = (
        "request.matched",
        "{count} of this device were recorded in the time that was asked about.",
    )
    REQUEST_DECLINED = (
        "request.declined",
        "An owner declined the request{because}. Nobody else was told.",
    )
    REQUEST_EXPIRED = "request.expired", "The request ended without an answer to it."
    REQUEST_WITHDRAWN = "request.withdrawn", "Whoever asked withdrew the request."
    REQUESTS_PAUSED = (
        "requests.paused",
        "An owner paused requests: from here on none is shown.",
    )
    REQUESTS_RESUMED = (
        "requests.resumed",
        "An owner resumed requests: from here on they are shown again.",
    )
    REQUESTER_MUTED = (
        "requester.muted",
        "An owner muted a requester: nothing more of it is shown.",
    )
    REQUESTER_UNMUTED = (
        "requester.unmuted",
        "An owner wants to hear of a muted requester again.",
    )
    WITHDRAWAL_RECEIVED = "withdrawal.received", "{who} withdrew a request."
    WITHDRAWAL_EARLY = (
        "withdrawal.early",
        "A withdrawal came before its request, which will never be opened.",
    )
    ALERT_RECEIVED = (
        "alert.received",
        "{who} informed the public: {title}. Nobody can answer that.",
    )
    ALERT_REFUSED = (
        "alert.refused",
        "{who} informed the public: {title}. The owner's rules keep it from being shown: {why}"
        " ({rule}).",
    )
    POST_REFUSED = "post.refused", "A post was refused: {why} ({rule})."
    POST_DROPPED = "post.dropped", "A post was dropped before it could be judged: {why} ({rule})."
    POST_WAITING = "post.waiting", "A post waits and is not judged yet: {why} ({rule})."
    POSTS_FLOODED = (
        "posts.flooded",
        "Too many posts came from {who}. From here on they were counted and no longer recorded"
        " one by one.",
    )
    POSTS_FLOOD_OVER = (
        "posts.flood-over",
        "The flood of {day} from {who} is over: {counted} posts were only counted.",
    )
    LOG_PINNED = (
        "log.pinned",
        "From here on the public log {origin} is the one that is believed.",
    )
    LOG_FORKED = (
        "log.forked",
        "The public log {origin} has signed two different pasts. Nothing in it is believed any"
        " more.",
    )
    LINK_REFUSED = "link.refused", "A link of the public log does not hold: {why} ({rule})."
    LETTER_REFUSED = "letter.refused", "A letter came that no owner sent: {why} ({rule})."
    DECISION_REFUSED = (
        "decision.refused",
        "An owner's decision was refused: {why} ({rule}). It changed nothing.",
    )
    CLIP_PREVIEWED = "clip.previewed", "An owner had a clip sent to look at it."
    CLIPS_LISTED = "clips.listed", "An owner asked which clips the device holds."
    RELEASE_PROPOSED = (
        "release.proposed",
        "An owner approved {count}{to}; another owner must approve the same.",
    )
    RELEASE_APPROVED = (
        "release.approved",
        "An owner approved {count}{to}; as many owners as are needed have approved.",
    )
    RELEASE_SEALED = "release.sealed", "The approved clips were prepared and sealed."
    RELEASE_SENT = (
        "release.sent",
        "The approved clips were sent to {url}. They cannot be called back.",
    )
    RELEASE_FAILED = "release.failed", "The approved clips were not sent{because}."
    RELEASE_REVOKED = "release.revoked", "The release was stopped{because}."
    RELEASE_REVOKE_ASKED = "release.revoke-asked", "An owner asked to stop a release."
    RELEASE_REVOKED_EARLY = (
        "release.revoked-early",
        "An owner revoked an approval that had not arrived yet.",
    )

    @classmethod
    def named(cls, name: str) -> Self:
        """The event of this name; ValueError if there is none."""
        for event in cls:
            if event == name:
                return event
        raise ValueError(f"no event {name}")


def entered(machine: str, state: str) -> Event:
    """The event of a request or release that enters ``state``."""
    return Event.named(f"{machine}.{state.lower()}")
