"""Intake of bundles: each is verified, filed by its case, and answered by a signed receipt.

::

    DIR/cases/<reference>/<day>/<name>/       an accepted bundle, unpacked; <name>.age: sealed
    DIR/shared/<day>/<name>/                  one that nobody had asked for
    DIR/rejected/<day>/<name>-<digest>.age    one that was rejected; .txt: why
    DIR/index.html                            the cases, and what was rejected
    DIR/cases/<reference>/index.html          the bundles of a case
    DIR/.receipts/<digest>.json               the record of each bundle, with its receipt

``<day>`` is the day of arrival, UTC. The rules are those of :mod:`agent.requester.bundle.verify`,
and one more: the request is one that was posted from here (``request-not-posted``).

Steps for the bundle ``DIR/<name>.age``, each of which may be done again after a crash:

1. its digest has a record: go on with step 5;
2. open and verify it in ``DIR/.intake``;
3. move what was unpacked to its place;
4. write the record with the receipt, synced;
5. move the sealed file to its place, which ends the intake; then write the page.

A fault of the disk may stop it at any step. No receipt is served then, and the bundle stays for the
next try.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from agent import files
from agent.clock import Clock
from agent.consent import signing
from agent.consent.statements import Receipt
from agent.errors import BundleRefused
from agent.keyfile import Keys
from agent.requester.bundle.bag import RELEASE
from agent.requester.bundle.verify import OpenedBundle, open_bundle
from agent.requester.cases import page, records
from agent.requester.cases.keys_seen import KeysSeen
from agent.requester.cases.records import Record
from agent.requester.folder import RequesterFolder

_MOST_CHARACTERS = 60  # of a folder's name
_DETAIL_CHARACTERS = 200
_DIGEST_CHARACTERS = 16


@dataclass(frozen=True)
class Intake:
    """Takes bundles into ``folder`` with the keys of the requester whose home is ``home``."""

    folder: Path
    _: KW_ONLY
    home: RequesterFolder
    keys: Keys
    clock: Clock
    random: Callable[[int], bytes] = os.urandom

    def take(self, sealed: Path) -> Record:
        """Verify, file and answer the bundle ``sealed``, which is moved; returns its record.

        Other processes wait meanwhile. After :class:`StorageFault` the bundle is where it was.
        """
        with files.locked(self.folder / ".intake.lock"):
            digest = files.sha256(sealed)
            record = records.read(self.folder, digest) or self._judge(sealed, digest)
            target = self.folder / f"{record.place}.age"
            with files.faults(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            files.rename(sealed, target)
            files.sync_directory(target.parent)
            page.write(self.folder, record.case, records.newest_first(self.folder))
        return record

    def _judge(self, sealed: Path, digest: str) -> Record:
        now = int(self.clock.now())
        day, name = page.day(now), _folder_name(sealed.stem)
        draft = self.folder / ".intake" / digest
        shutil.rmtree(draft.parent, ignore_errors=True)
        try:
            opened = open_bundle(sealed, self.keys, draft)
            self._check_posted(opened)
        except BundleRefused as refusal:
            shutil.rmtree(draft.parent, ignore_errors=True)
            # Whoever sends it chooses the name: with a digest no bundle replaces another.
            place = f"rejected/{day}/{name}-{digest[:_DIGEST_CHARACTERS]}"
            detail = refusal.message[:_DETAIL_CHARACTERS]
            self._explain(place, refusal)
            receipt = self._receipt(digest, now, None, rule=refusal.rule, detail=detail)
            record = Record(
                verdict="rejected",
                place=place,
                at=now,
                receipt=receipt,
                rule=refusal.rule,
                detail=detail,
            )
        else:
            place = self._file(opened, draft, f"{day}/{name}", digest)
            seen = KeysSeen(self.home.keys_seen_path).note(opened, at=now)
            receipt = self._receipt(digest, now, opened.release_digest)
            known = all(one.is_known for one in seen)
            record = Record(
                verdict="accepted",
                place=place,
                at=now,
                receipt=receipt,
                title=_title(opened),
                known_keys=known,
            )
        records.write(self.folder, digest, record)
        return record

    def _check_posted(self, opened: OpenedBundle) -> None:
        posted = {signing.digest(jws.strip()) for jws in self.home.posted()}
        if opened.request_digest is not None and opened.request_digest not in posted:
            raise BundleRefused(
                "request-not-posted", "the request is signed by us, and was not posted from here"
            )

    def _file(self, opened: OpenedBundle, draft: Path, below: str, digest: str) -> str:
        """Move the unpacked bundle to its place; returns that."""
        case = "shared"
        if opened.request is not None:
            case = f"cases/{_folder_name(opened.request.reference)}"
        place = f"{case}/{below}"
        target = self.folder / place
        if target.exists() and _release_jws(target) != _release_jws(draft):
            place = f"{place}-{digest[:_DIGEST_CHARACTERS]}"  # another bundle of the same release
            target = self.folder / place
        with files.faults(target):
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.rename(target)
            draft.parent.rmdir()
        return place

    def _explain(self, place: str, refusal: BundleRefused) -> None:
        path = self.folder / f"{place}.txt"
        with files.faults(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.replace(path, f"{refusal.rule}: {_line(refusal.message)}\n".encode())

    def _receipt(
        self, digest: str, now: int, release: str | None, *, rule: str = "", detail: str = ""
    ) -> str:
        statement = Receipt(
            iss=self.keys.fingerprint,
            jti=signing.new_jti(self.random(16)),
            iat=now,
            bundle=digest,
            release=release,
            verdict="rejected" if rule else "accepted",
            rule=rule,
            detail=_line(detail),
        )
        return self.keys.signing.sign(statement)


def _title(opened: OpenedBundle) -> str:
    asked = opened.request
    if asked is None:
        return "Shared, without a request"
    return f"{asked.reference}: {asked.incident}, {asked.title}"


def _release_jws(bag: Path) -> bytes:
    with suppress(OSError):
        return (bag / RELEASE).read_bytes()
    return b""


def _folder_name(text: str) -> str:
    """``text`` as the name of a folder; if letters had to be replaced, with a digest behind."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:_MOST_CHARACTERS]
    if plain and plain == text:
        return plain
    return f"{plain or 'case'}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _line(text: str) -> str:
    """``text`` without characters that a statement refuses in a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
