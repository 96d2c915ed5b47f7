"""Messages of the model, with all that the oracle needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.consent import signing
from agent.consent.statements import Window
from agent.vault.database.gateway import Clip
from tests.support.house import Person

FLAWS = (
    "stranger", "other-device", "wrong-key", "no-key", "wrong-digest", "expired", "retained",
    "outside",
)  # fmt: skip
KEYLESS = "keyless"  # no flaw where two owners must agree: their letters may have crossed


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

    @property
    def digest(self) -> str:
        return signing.digest(self.jws)

    def covers(self, clip: Clip) -> bool:
        return (
            clip.started_at <= self.window.end
            and (clip.started_at + clip.duration_seconds) >= self.window.start
        )


@dataclass(eq=False)
class Mail:
    """A letter from an owner, or from somebody who would like to be one.

    ``about`` is a request, a release's id, a requester, or whom a clip is shared with.
    ``release`` is the id that an approval or a share gives to its release.
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
    obeyed: bool = False  # the gateway had to
    computer: int = 0  # of its owner, on which it was written: the other knows nothing of it

    @property
    def content(self) -> tuple[object, ...]:
        """The content that another owner must approve exactly."""
        return (self.about, self.clips)

    @property
    def has_keys(self) -> bool:
        return self.flaw != KEYLESS

    @property
    def identity(self) -> object:
        """The part that the gateway hears once: of a consent with its keys, the text alone."""
        return self.release or self


@dataclass(eq=False)
class Consented:
    """A release that enough owners want; ``stopped`` when somebody no longer does.

    ``names`` are those of the owners' letters, the first of which names the release. With
    ``sure`` false the gateway may have refused one of them: the camera was taken over, and may
    have exchanged the clips.
    """

    first: Mail
    names: tuple[str, ...]
    deadline: float
    has_keys: bool = True
    sure: bool = True
    stopped: bool = False
    gone: set[str] = field(default_factory=set)  # its names under which surely nothing goes on

    def stop(self, name: str = "") -> None:
        """Stop it: all of it, or by the ``name`` of a letter, which may belong to another."""
        self.stopped = True
        self.gone |= set(self.names) if self.sure or not name else {name}

    @property
    def about(self) -> Posted | Person:
        assert isinstance(self.first.about, Posted | Person)
        return self.first.about
