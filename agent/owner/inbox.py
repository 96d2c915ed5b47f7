"""Letters from the cameras: opened, verified, kept, and read again.

A letter counts when all of this holds, else it is refused by name and nothing
that is kept changes:

1. it opens with the owner's identity (``not-sealed-to-us``, strict decoding);
2. the enrolled device signed it (``unknown-signer``, ``bad-signature``), and it
   came on a topic of that device (``wrong-device``);
3. it is about what its topic names: the digest of the quoted request, or the
   release (``request-exchanged``, ``wrong-release``).

The quoted request's own signature was verified by the device, which knows the
requesters' cards; here it is decoded strictly and its author's key id compared.
A request may not change unseen: its digest is its name, and a second text under
the same author and id is marked. A ledger that stands before where it stood, or
at the same line with another digest, is told (:attr:`Inbox.warnings`).

Whether to believe a clip's bytes is for :mod:`.fetch`, what to answer for
:mod:`.decide`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.consent import decoding, mail, signing
from agent.consent.signing import DeviceCard
from agent.consent.statements import ClipOffer, InboxReport, LedgerHead, Outcome, Request
from agent.errors import ConfigError, MalformedStatement, Refused, UntrustedSignature
from agent.keyfile import Keys
from agent.owner.home import Home, KeptLetter
from agent.topics import Topic

_LETTERS = "letters"
_RELEASES = "releases"
_LEDGER = "ledger"  # the signed word with the highest ledger line, one a device


@dataclass(frozen=True)
class OpenRequest:
    """A request as a camera told of it. ``changed`` says another text had this author and id."""

    device: str
    digest: str
    report: InboxReport
    request: Request
    received_at: float
    changed: bool = False

    def clip(self, name: str) -> ClipOffer:
        """The offered clip with this number (from 1) or id; Refused when there is none."""
        if name.isascii() and name.isdigit() and 1 <= int(name) <= len(self.report.clips):
            return self.report.clips[int(name) - 1]
        for offer in self.report.clips:
            if offer.id == name:
                return offer
        raise Refused(
            "no-such-clip",
            f"request {self.digest[:8]} offers no clip {name!r}",
            advice=f"See `clip-agent owner show {self.digest[:8]}`",
        )


@dataclass(frozen=True)
class ReleaseWord:
    """The last that a camera said of a release, or of a decision it refused."""

    device: str
    outcome: Outcome
    received_at: float


class Inbox:
    """The owner's open requests and releases, kept in the owner's folder."""

    def __init__(self, home: Home, devices: Mapping[str, DeviceCard]) -> None:
        self._home = home
        self._devices = devices
        self.warnings: list[str] = []

    def take(self, topic: Topic, payload: bytes, keys: Keys, *, now: float) -> None:
        """Take in one message; raises :class:`Refused` and keeps nothing if it does not count."""
        device = self._devices.get(topic.device)
        if device is None or topic.kind not in ("inbox", "release"):
            raise Refused("wrong-topic", "the message is on no topic of an enrolled camera")
        (name,) = topic.ids
        folder = _LETTERS if topic.kind == "inbox" else _RELEASES
        if not payload:
            self._home.drop(folder, device.name, name)
            return
        jws = mail.open_letter(payload, keys.identity).jws
        if topic.kind == "inbox":
            head, iat = self._check_report(jws, device, name)
        else:
            outcome = read_outcome(jws, device)
            if outcome.subject != name:
                raise MalformedStatement("wrong-release", "the letter is about another release")
            head, iat = outcome.ledger, outcome.iat
        self._watch_ledger(device, jws, head, iat, now=now)
        self._home.keep(folder, device.name, name, KeptLetter(jws=jws, received_at=now))

    def settle(self, device: str, open_names: set[str]) -> None:
        """Forget the requests of ``device`` that its broker no longer holds: they were closed."""
        for name, _ in list(self._home.kept(_LETTERS, device)):
            if name not in open_names:
                self._home.drop(_LETTERS, device, name)

    def requests(self) -> list[OpenRequest]:
        """All open requests, the one that expires first at the head."""
        found: list[OpenRequest] = []
        for device in self._devices.values():
            for name, letter in self._home.kept(_LETTERS, device.name):
                try:
                    report, request, digest = read_report(letter.jws, device)
                except Refused as error:  # a card that was replaced, a file that was changed
                    self.warnings.append(f"{device.name}: kept letter {name}: {error}")
                    continue
                found.append(OpenRequest(device.name, digest, report, request, letter.received_at))
        return sorted(_mark_changed(found), key=lambda item: (item.request.exp, item.digest))

    def releases(self) -> list[ReleaseWord]:
        """The last word on each release, the newest first."""
        words: list[ReleaseWord] = []
        for device in self._devices.values():
            for name, letter in self._home.kept(_RELEASES, device.name):
                try:
                    outcome = read_outcome(letter.jws, device)
                except Refused as error:
                    self.warnings.append(f"{device.name}: kept release {name}: {error}")
                    continue
                words.append(ReleaseWord(device.name, outcome, letter.received_at))
        return sorted(words, key=lambda word: -word.outcome.iat)

    def find(self, prefix: str) -> OpenRequest:
        """The open request whose digest starts with ``prefix``; Refused if not exactly one."""
        matching = [item for item in self.requests() if item.digest.startswith(prefix.lower())]
        advice = "See `clip-agent owner inbox`"
        if not matching or not prefix:
            raise Refused("no-such-request", f"no open request {prefix!r}", advice=advice)
        if len(matching) > 1:
            names = ", ".join(f"{item.digest[:16]} ({item.device})" for item in matching)
            raise Refused("ambiguous", f"{prefix!r} could be {names}", advice="Give more digits")
        return matching[0]

    def find_clip(self, name: str, request: str | None) -> tuple[OpenRequest, ClipOffer]:
        """A clip by id, or by its number in ``request``; Refused if not exactly one."""
        if request is not None:
            item = self.find(request)
            return item, item.clip(name)
        for item in self.requests():
            for offer in item.report.clips:
                if offer.id == name:
                    return item, offer
        raise Refused(
            "no-such-clip",
            f"no open request offers a clip {name!r}",
            advice="A clip's number needs its request: --request",
        )

    def _check_report(self, jws: str, device: DeviceCard, name: str) -> tuple[LedgerHead, int]:
        report, _, digest = read_report(jws, device)
        if digest[:16] != name:
            raise MalformedStatement(
                "request-exchanged", "the quoted request is not the one its topic names"
            )
        for kept_name, kept in self._home.kept(_LETTERS, device.name):
            if kept_name == name and self._kept_digest(kept, device) not in (None, digest):
                raise MalformedStatement("request-exchanged", "another request had this name")
        return report.ledger, report.iat

    def _kept_digest(self, kept: KeptLetter, device: DeviceCard) -> str | None:
        """The digest of the request in a kept letter; None if that is of an earlier camera."""
        try:
            return read_report(kept.jws, device)[2]
        except UntrustedSignature:
            return None

    def _watch_ledger(
        self, device: DeviceCard, jws: str, head: LedgerHead, iat: int, *, now: float
    ) -> None:
        """Remember the highest line of the device's ledger, and tell when it went back."""
        for _, kept in self._home.kept(_LEDGER, device.name):
            try:
                best, best_iat = _ledger_head(kept.jws, device)
            except UntrustedSignature:
                self.warnings.append(
                    f"{device.name}: has other keys than before; its record begins anew"
                )
                continue
            if (head.seq < best.seq and iat > best_iat) or (
                head.seq == best.seq and head.sha256 != best.sha256
            ):
                self.warnings.append(
                    f"{device.name}: its ledger stood at line {best.seq} before and now says "
                    f"{head.seq}: the camera was set back to an older state, or changed"
                )
            if head.seq <= best.seq:
                return
        self._home.keep(_LEDGER, device.name, "head", KeptLetter(jws=jws, received_at=now))


def read_report(jws: str, device: DeviceCard) -> tuple[InboxReport, Request, str]:
    """The report that ``device`` signed, the request it quotes, and that request's digest."""
    report = signing.verify(jws, InboxReport, {device.id: device.key})
    _check_device(report.device, device)
    return report, read_request(report.request), signing.digest(report.request)


def read_request(jws: str) -> Request:
    """A quoted request, strictly decoded; whoever quotes it answers for its signature."""
    author = signing.signer_id(jws, Request)
    payload = signing.decode_base64url(jws.split(".")[1])
    request = decoding.decode(payload, Request, Request.MAX_BYTES)
    if request.iss != author:
        raise MalformedStatement("wrong-issuer", "`iss` is not the key that signed")
    return request


def read_outcome(jws: str, device: DeviceCard) -> Outcome:
    """The outcome that ``device`` signed."""
    outcome = signing.verify(jws, Outcome, {device.id: device.key})
    _check_device(outcome.device, device)
    return outcome


def _check_device(name: str, device: DeviceCard) -> None:
    if name != device.name:
        raise UntrustedSignature("wrong-device", f"the letter speaks for a camera {name!r}")


def _ledger_head(jws: str, device: DeviceCard) -> tuple[LedgerHead, int]:
    """Where the ledger stood in a kept report or outcome, and when."""
    try:
        word: InboxReport | Outcome = read_report(jws, device)[0]
    except MalformedStatement:
        word = read_outcome(jws, device)
    return word.ledger, word.iat


def _mark_changed(items: list[OpenRequest]) -> Iterator[OpenRequest]:
    """Mark requests whose author and id stand over more than one text."""
    texts: dict[tuple[str, str], set[str]] = {}
    for item in items:
        texts.setdefault((item.request.iss, item.request.jti), set()).add(item.digest)
    for item in items:
        changed = len(texts[item.request.iss, item.request.jti]) > 1
        yield OpenRequest(
            item.device, item.digest, item.report, item.request, item.received_at, changed
        )


def devices_or_advice(home: Home) -> dict[str, DeviceCard]:
    """The enrolled cameras; ConfigError with the cure when there are none."""
    devices = home.devices()
    if not devices:
        raise ConfigError(
            "no camera is enrolled",
            advice="Copy its device.card.yaml here and run "
            "`clip-agent owner card --add device.card.yaml`",
        )
    return devices
