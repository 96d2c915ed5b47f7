"""Events of the ledger, each with the sentence that explains it to people.

A sentence is a format: ``{who}``, ``{count}``, ``{to}`` and ``{because}`` are made of a line's
detail, any other name is a key of it. :mod:`agent.vault.ledger_text` fills them in.
"""

from __future__ import annotations

from enum import Enum, unique


@unique
class Event(Enum):
    """An event of the ledger. ``str()`` gives its name in a line: ``request.opened``."""

    REQUEST_OPENED = (
        "{who} asked for clips ({kind}, reference {reference}). The owner's rules admit the"
        " request."
    )
    REQUEST_REFUSED = (
        "{who} asked for clips ({kind}, reference {reference}). The owner's rules refused the"
        " request: {why} ({rule}). Nobody was told."
    )
    REQUEST_MATCHED = "{count} of this device were recorded in the time that was asked about."
    REQUEST_DECLINED = "An owner declined the request{because}. Nobody else was told."
    REQUEST_EXPIRED = "The request ended without an answer to it."
    REQUEST_WITHDRAWN = "Whoever asked withdrew the request."
    REQUESTS_PAUSED = "An owner paused requests: from here on none is shown."
    REQUESTS_RESUMED = "An owner resumed requests: from here on they are shown again."
    REQUESTER_MUTED = "An owner muted a requester: nothing more of it is shown."
    REQUESTER_UNMUTED = "An owner wants to hear of a muted requester again."
    WITHDRAWAL_RECEIVED = "{who} withdrew a request."
    WITHDRAWAL_EARLY = "A withdrawal came before its request, which will never be opened."
    ALERT_RECEIVED = "{who} informed the public: {title}. Nobody can answer that."
    ALERT_REFUSED = (
        "{who} informed the public: {title}. The owner's rules keep it from being shown: {why}"
        " ({rule})."
    )
    POST_REFUSED = "A post was refused: {why} ({rule})."
    POST_DROPPED = "A post was dropped before it could be judged: {why} ({rule})."
    POST_WAITING = "A post waits and is not judged yet: {why} ({rule})."
    POSTS_FLOODED = (
        "Too many posts came from {who}. From here on they were counted and no longer recorded"
        " one by one."
    )
    POSTS_FLOOD_OVER = "The flood of {day} from {who} is over: {counted} posts were only counted."
    LOG_PINNED = "From here on the public log {origin} is the one that is believed."
    LOG_FORKED = (
        "The public log {origin} has signed two different pasts. Nothing in it is believed any"
        " more."
    )
    LINK_REFUSED = "A link of the public log does not hold: {why} ({rule})."
    LETTER_REFUSED = "A letter came that no owner sent: {why} ({rule})."
    DECISION_REFUSED = "An owner's decision was refused: {why} ({rule}). It changed nothing."
    CLIP_PREVIEWED = "An owner had a clip sent to look at it."
    CLIP_EXPORTED = (
        "An owner took a copy of a clip out by hand, for {portal} as they say. Its file has the"
        " SHA-256 {file}."
    )
    THUMBNAILS_SENT = "An owner had the thumbnails of {count} sent to look at them."
    CLIPS_LISTED = "An owner asked which clips the device holds."
    LEDGER_READ = "An owner had the lines of this ledger after number {after} sent."
    CAMERA_TOLD = "An owner told the camera to {wish}."
    CAMERA_OBEYED = "The camera did what an owner had told it: {wish}."
    CAMERA_REFUSED = "The camera did not do what an owner had told it, to {wish}{because}."
    CAMERA_SWITCHED = "Home Assistant told the camera to {wish}."
    CAMERA_SWITCH_IGNORED = (
        "Home Assistant told the camera to {wish}. An owner's own command stands, so it did not."
    )
    RELEASE_PROPOSED = "An owner approved {count}{to}; another owner must approve the same."
    RELEASE_APPROVED = "An owner approved {count}{to}; as many owners as are needed have approved."
    RELEASE_SEALED = "The approved clips were prepared and sealed."
    RELEASE_SENT = "The approved clips were sent to {url}. They cannot be called back."
    RELEASE_DELIVERED = (
        "The recipient signed a receipt: what was sent has arrived, was opened and verified."
    )
    RELEASE_REJECTED = (
        "The recipient signed a receipt: what was sent has arrived, and was rejected{because}"
        " ({rule})."
    )
    RELEASE_UNCONFIRMED = (
        "No receipt came for what was sent to {url}: it is not known if the recipient can read it."
    )
    RELEASE_FAILED = "The approved clips were not sent{because}."
    RELEASE_REVOKED = "The release was stopped{because}."
    UPLOAD_REMOVED = "The receiver deleted what it had of clips that were stopped on their way."
    UPLOAD_LEFT = (
        "The receiver may still have a part of clips that were stopped on their way{because}."
    )
    RELEASE_REVOKE_ASKED = "An owner asked to stop a release."
    RELEASE_HELD = "A release waits until its owners name it again{because}."
    RELEASE_CONFIRMED = "An owner named an approval again, whose release had to wait."
    STATE_RESTORED = (
        "The gateway found that its state is an older copy: what happened after it was made is not"
        " in this ledger."
    )
    LEDGER_UNANCHORED = (
        "The gateway's memory of the ledger's head was deleted: it cannot tell if lines before this"
        " one were removed."
    )
    RELEASE_REVOKED_EARLY = "An owner revoked an approval that had not arrived yet."

    def __str__(self) -> str:
        return self.name.lower().replace("_", ".", 1).replace("_", "-")

    @classmethod
    def named(cls, name: str) -> Event | None:
        """The event of this name, if there is one."""
        return next((event for event in cls if str(event) == name), None)


def entered(machine: str, state: str) -> Event:
    """The event of a request or release that enters ``state``."""
    return Event[f"{machine.upper()}_{state}"]
