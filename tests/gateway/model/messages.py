"""Messages of the model, with all that the oracle needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass

from agent.consent import signing
from agent.consent.statements import Window
from agent.vault.database.gateway import Clip
from tests.support.house import Person

FLAWS = (
    "stranger", "other-device", "wrong-key", "no-key", "wrong-digest", "expired", "retained",
    "outside",
)  # fmt: skip


@dataclass(eq=False)
class Posted:
    """A request on the feed."""

    jws: str
    jti: str
    author: Person
    is_order: bool
    window: Window
    expires_at: float
    flaw: str
    state: str = ""  # until it is judged, at its first delivery
    withdrawn: bool = False  # perhaps before it was delivered

    @property
    def digest(self) -> str:
        return signing.digest(self.jws)

    def covers(self, clip: Clip) -> bool:
        return clip.started_at <= self.window.end and clip.ended_at >= self.window.start


@dataclass(eq=False)
class Mail:
    """A letter from an owner, or from somebody who would like to be one.

    ``about`` is a request, a release's id, a requester, or whom a clip is shared with.
    """

    payload: bytes
    kind: str
    about: Posted | Person | str | None
    owner: str
    flaw: str
    expires_at: float
    clips: tuple[Clip, ...] = ()
    release: str = ""
    mute: bool = False

    @property
    def content(self) -> tuple[object, ...]:
        """The content that another owner must approve exactly."""
        return (self.about, self.clips)


@dataclass(eq=False)
class Consented:
    """A release that enough owners want; ``stopped`` when somebody no longer does."""

    clips: frozenset[str]
    about: Posted | Person
    deadline: float
    stopped: bool = False
