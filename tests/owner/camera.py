"""A camera as its owner meets it: it signs reports, seals letters, and sends clips.

>>> camera = FakeCamera("front-door", owner_card)
>>> offer = camera.record(b"the plain clip")
>>> letter = camera.report(request_jws, [offer])     # bytes for clip-agent/front-door/inbox/...

``camera.serve(session)`` answers the owner's commands over a real broker until told to
stop, and ``camera.decisions`` are the opened letters that came.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pyrage

from agent.config import Broker
from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import DeviceCard, OwnerCard
from agent.consent.letters import Letter
from agent.consent.statements import (
    Arming,
    ClipOffer,
    Command,
    HouseholdOwner,
    InboxReport,
    LedgerHead,
    LedgerPage,
    ListClips,
    Listing,
    Look,
    Notice,
    Notices,
    Outcome,
    PartHealth,
    PauseRequests,
    Preview,
    ReadLedger,
    RequesterRecord,
    RequestsPause,
    ResumeRequests,
    Space,
    Status,
    Sync,
    Thumbnails,
    Window,
)
from agent.consent.transparency import merkle
from agent.consent.transparency.tree import Tree
from agent.errors import MalformedStatement
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.mqtt.link import connect_broker
from agent.mqtt.session import Session
from agent.vault.clips import seal, thumbnails
from agent.vault.records.ledger import Entry
from tests.support import statements
from tests.support.statements import NOW as NOW

_PATIENCE_SECONDS = 60.0
_LAST_SECONDS = 0.3  # for what the broker still delivers
AREA = statements.polygon(
    (-72.5950, 42.0980), (-72.5850, 42.0980), (-72.5850, 42.1050), (-72.5950, 42.1050)
)


def make_request(author: Keys, **changes: object) -> str:
    """A signed request; fields by name replace the ordinary ones."""
    request = statements.request(author.fingerprint, area=AREA, exp=NOW + 5 * 86_400)
    return author.signing.sign(msgspec.structs.replace(request, **changes))


class FakeCamera:
    """Signs, seals and answers like a gateway; it keeps its clips in memory."""

    def __init__(self, name: str, owner: OwnerCard) -> None:
        self.name = name
        self.keys = Keys.generate()
        self.owner = owner
        self.card = DeviceCard(
            role="device", name=name, sign=self.keys.signing.public.text, seal=self.keys.recipient
        )
        self.clips: dict[str, bytes] = {}
        self.page_clips = 0  # that a list names, 0: all, whatever time is asked about
        self.thumbnails_refused = self.looks_refused = ""
        self.looks: list[Callable[[str], bytes]] = []  # pictures for the digest of a look
        self.thumbnails: dict[str, bytes] = {}  # sealed, by clip
        self.offers: dict[str, ClipOffer] = {}
        self.identities: dict[str, str] = {}
        self.decisions: list[Letter] = []  # but for syncs
        self.syncs: list[Sync] = []
        self.listed: list[Window] = []  # for which times clips were asked for
        self.command_answer = ("DONE", "")
        self.ledger_seq = 1
        self.lines: list[bytes] = []  # of the ledger, if it is read
        self.lines_a_page = 1_000
        self.pause: RequestsPause | None = None
        self.ahead_seconds = 0  # of its clock
        self.arming, self.kept = Arming(armed=True), 0

    def record(
        self,
        plain: bytes,
        *,
        started_at: int = NOW - 5_000,
        thumbnail: bytes | None = None,
        **changes: object,
    ) -> ClipOffer:
        """Keep a sealed clip, and give the offer that a report would make of it."""
        identity = seal.ClipIdentity()
        readers = [self.owner.seal, self.owner.recovery, identity.recipient]
        sealed = pyrage.encrypt(plain, [pyrage.x25519.Recipient.from_str(r) for r in readers])
        clip = f"20240124-17{len(self.clips):04d}-{os.urandom(3).hex()}"
        self.clips[clip] = sealed
        self.identities[clip] = identity.text
        offer = ClipOffer(
            id=clip,
            sha256=hashlib.sha256(sealed).hexdigest(),
            started_at=started_at,
            duration_seconds=12.5,
            bytes=len(sealed),
            truncated=False,
            clock_synced=True,
            sealed_key="",
        )
        offer = msgspec.structs.replace(offer, **changes)
        recorded = seal.Recorded.of(
            hashlib.sha256(sealed).hexdigest(),
            offer.started_at,
            offer.duration_seconds,
            synced=offer.clock_synced,
            thumbnail=thumbnail,
        )
        if thumbnail is not None:
            self.thumbnails[clip] = base64.b64decode(
                seal.seal_bytes(thumbnail, [self.owner.seal, self.owner.recovery])
            )
        key = seal.seal_key(
            identity.text,
            [self.owner.seal, self.owner.recovery],
            clip_id=clip,
            recorded=None if offer.truncated else recorded,
        )
        self.offers[clip] = msgspec.structs.replace(offer, sealed_key=offer.sealed_key or key)
        return self.offers[clip]

    def write_line(self, event: str = "clips.listed", **detail: Any) -> None:
        """Add a line to the ledger, which is a real one from then on."""
        line = Entry(len(self.lines) + 1, float(NOW), event, "", detail)
        self.lines.append(line.text().encode())

    def ledger_page(self, after: int, **changes: object) -> bytes:
        """The sealed letter with lines of the ledger."""
        texts = self.lines[after : after + self.lines_a_page]
        page = LedgerPage(
            iss=self.keys.fingerprint,
            jti=statements.new_jti(),
            iat=NOW + len(self.lines),
            device=self.name,
            after=after,
            lines=base64.b64encode(b"".join(text + b"\n" for text in texts)).decode(),
            ledger=self.head(),
        )
        return self.seal(self.keys.signing.sign(msgspec.structs.replace(page, **changes)))

    def head(self) -> LedgerHead:
        """The head of the ledger, or that after a next line of one that nobody reads."""
        if self.lines:
            root = Tree(map(merkle.leaf_hash, self.lines)).root(len(self.lines))
            return LedgerHead(size=len(self.lines), root=root.hex())
        self.ledger_seq += 1
        sha256 = hashlib.sha256(f"{self.name} {self.ledger_seq}".encode()).hexdigest()
        return LedgerHead(size=self.ledger_seq, root=sha256)

    def report(self, request: str, clips: Sequence[ClipOffer], **changes: object) -> bytes:
        """The sealed letter about a request."""
        report = InboxReport(
            iss=self.keys.fingerprint,
            jti=statements.new_jti(),
            iat=NOW + self.ledger_seq,
            device=self.name,
            request=request,
            record=RequesterRecord(
                name="Springfield PD", first_seen=NOW - 86_400, requests=3, refused=1, withdrawn=0
            ),
            clips=tuple(clips),
            more_clips=0,
            ledger=self.head(),
        )
        return self.seal(self.keys.signing.sign(msgspec.structs.replace(report, **changes)))

    def notices(self, *notices: Notice, **changes: object) -> bytes:
        """The sealed letter with what cannot be answered."""
        letter = Notices(
            iss=self.keys.fingerprint,
            jti=statements.new_jti(),
            iat=NOW + self.ledger_seq,
            device=self.name,
            notices=notices,
            more=0,
            ledger=self.head(),
        )
        return self.seal(self.keys.signing.sign(msgspec.structs.replace(letter, **changes)))

    def status(self, **changes: object) -> bytes:
        """The sealed letter that says how it is now; it holds no request."""
        now = int(time.time()) + self.ahead_seconds
        health = PartHealth(state="armed", detail="", at=now, version="1")
        status = Status(
            iss=self.keys.fingerprint,
            jti=signing.new_jti(os.urandom(16)),
            iat=now,
            device=self.name,
            camera=health,
            gateway=health,
            clock_synced=True,
            seals_to=(self.owner.seal, self.owner.recovery),
            owners=(HouseholdOwner(fingerprint=self.owner.fingerprint, name=self.owner.name),),
            approvals_needed=1,
            open=(),
            more_open=0,
            held=(),
            pause=self.pause,
            muted=(),
            arming=self.arming,
            space=Space(
                clips=len(self.clips), clip_bytes=0, free_bytes=1_000_000_000, kept=self.kept
            ),
            ledger=self.head(),
            proofs=(),
        )
        return self.seal(self.keys.signing.sign(msgspec.structs.replace(status, **changes)))

    def listing(self, clips: Sequence[ClipOffer], **changes: object) -> bytes:
        """The sealed letter that answers a question for its clips."""
        letter = Listing(
            iss=self.keys.fingerprint,
            jti=statements.new_jti(),
            iat=NOW + self.ledger_seq,
            device=self.name,
            clips=tuple(clips),
            more_clips=0,
            ledger=self.head(),
        )
        return self.seal(self.keys.signing.sign(msgspec.structs.replace(letter, **changes)))

    def outcome(self, subject: str, event: str, detail: str = "", **changes: object) -> bytes:
        """The sealed letter about what became of a decision."""
        outcome = Outcome(
            iss=self.keys.fingerprint,
            jti=statements.new_jti(),
            iat=NOW + self.ledger_seq,
            device=self.name,
            subject=subject,
            request=None,
            event=event,
            detail=detail,
            ledger=self.head(),
        )
        return self.seal(self.keys.signing.sign(msgspec.structs.replace(outcome, **changes)))

    def seal(self, jws: str) -> bytes:
        return mail.seal(Letter(jws=jws, keys={}), [self.owner.seal])

    def received(self, count: int = 1) -> list[Letter]:
        """The first ``count`` letters, once they have come from the broker."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(self.decisions) < count:
            assert time.monotonic() < deadline, "the letters do not come"
            time.sleep(0.02)
        return self.decisions[:count]

    @contextmanager
    def serve(
        self, broker: Broker, *, answers: Sequence[tuple[str, str]] = (("SENT", ""),)
    ) -> Iterator[None]:
        """Answer commands with clips and everything else with ``answers``, until left."""
        stopped = threading.Event()
        link = connect_broker(
            broker,
            client_id=f"camera-{self.name}",
            subscriptions=[topics.owner(self.name)],
            clean_session=True,
        )
        place = topics.availability(self.name)
        with Session(link) as session:
            session.publish(place, topics.ONLINE, retained=True)
            self._say_status(session)
            thread = threading.Thread(target=self._serve, args=(session, stopped, answers))
            thread.start()
            try:
                yield
            finally:
                stopped.set()
                thread.join()
                session.publish(place, topics.OFFLINE, retained=True)

    def _serve(
        self, session: Session, stopped: threading.Event, answers: Sequence[tuple[str, str]]
    ) -> None:
        while True:
            is_over = stopped.is_set()
            message = session.receive(_LAST_SECONDS if is_over else 0.05)
            if message is None and is_over:
                return  # everything that was on its way has come
            if message is None:
                continue
            letter = mail.open_letter(message.payload, self.keys.identity)
            if isinstance(said := self._command(letter), Sync):
                self.syncs.append(said)  # comes with each look at the inbox
                continue
            self.decisions.append(letter)
            subject = signing.digest(letter.jws)[:16]
            topic = topics.release(self.name, subject)
            match said:
                case Preview(clip=clip):
                    for number, chunk in chunks_of(self.clips[clip]):
                        place = topics.preview(self.name, clip, number)
                        session.publish(place, chunk, retained=False)
                case Thumbnails() if why := self.thumbnails_refused:
                    session.publish(topic, self.outcome(subject, "REFUSED", why), retained=True)
                case Thumbnails(clips=clips):
                    sealed = (self.thumbnails.get(clip, b"") for clip in clips)
                    messages = thumbnails.messages(sealed, most_bytes=topics.CHUNK_BYTES)
                    for number, part in enumerate(messages):
                        place = topics.preview(self.name, subject, number)
                        session.publish(place, part, retained=False)
                case Look() if why := self.looks_refused:
                    session.publish(topic, self.outcome(subject, "REFUSED", why), retained=True)
                case Look():
                    for number, make in enumerate(self.looks):
                        place = topics.preview(self.name, subject, number)
                        session.publish(place, make(signing.digest(letter.jws)), retained=False)
                case ListClips(window=window):
                    self.listed.append(window)
                    answer = self._newest(window)
                    session.publish(topic, answer, retained=False)
                case ReadLedger(after=after):
                    self.write_line("ledger.read", after=after)
                    session.publish(topic, self.ledger_page(after), retained=False)
                case None:
                    for event, detail in answers:
                        session.publish(topic, self.outcome(subject, event, detail), retained=True)
                case command:
                    event, detail = self.command_answer
                    self._obey(command)
                    self._say_status(session)
                    session.publish(topic, self.outcome(subject, event, detail), retained=False)

    def _newest(self, window: Window) -> bytes:
        """The newest clips of ``window``, as many as a letter names."""
        offers = list(self.offers.values())
        if self.page_clips:
            span = range(window.start, window.end + 1)
            offers = sorted(
                (one for one in offers if one.started_at in span), key=lambda one: one.started_at
            )
        shown = offers[-self.page_clips :] if self.page_clips else offers
        return self.listing(shown, more_clips=len(offers) - len(shown))

    def _obey(self, command: object) -> None:
        if isinstance(command, PauseRequests | ResumeRequests):
            paused = isinstance(command, PauseRequests)
            owner, at = self.owner.fingerprint, int(time.time())
            self.pause = RequestsPause(owner=owner, at=at) if paused else None

    def _say_status(self, session: Session) -> None:
        topic = topics.status(self.name, self.owner.fingerprint)
        session.publish(topic, self.status(), retained=True)

    def _command(self, letter: Letter) -> object:
        """The command in a letter; None for a decision."""
        owner = self.owner.key
        try:
            return signing.verify(letter.jws, Command, {owner.fingerprint: owner}).command
        except MalformedStatement:
            return None


def chunks_of(sealed: bytes) -> list[tuple[int, bytes]]:
    """A sealed clip as a camera sends it: the last chunk is shorter, empty if need be."""
    count = len(sealed) // topics.CHUNK_BYTES + 1
    return [
        (n, sealed[n * topics.CHUNK_BYTES : (n + 1) * topics.CHUNK_BYTES]) for n in range(count)
    ]
