"""Rules of the model: whoever received a bundle signs a receipt, a right one or a wrong one."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict

from hypothesis import strategies as st
from hypothesis.stateful import rule

from agent.consent import signing
from agent.consent.statements import Receipt
from tests.gateway.model.base import Base
from tests.support.house import Person
from tests.support.peers import Upload, open_bundle


class Recipients(Base):
    """A release is delivered, or rejected, by its recipient's word alone."""

    def __init__(self) -> None:
        super().__init__()
        self.answered: dict[str, set[str]] = defaultdict(set)  # by release: what receipts said

    @rule(
        verdict=st.sampled_from(["accepted", "accepted", "rejected"]),
        flaw=st.sampled_from(["none", "none", "signer", "bundle", "unopened", "noise"]),
    )
    def recipient_answers(self, verdict: str, flaw: str) -> None:
        for url, upload in self.world.receiver.uploads.items():
            if upload.finished and url not in self.world.receiver.receipts:
                self.world.receiver.receipts[url] = self.receipt(upload, verdict, flaw)
                if flaw == "none" or (flaw == "unopened" and verdict == "rejected"):
                    self.answered[upload.release].add(verdict)
        self.world.run()

    def receipt(self, upload: Upload, verdict: str, flaw: str) -> bytes:
        about = next(self.oracle.may_leave(upload.release)).about
        reader = about if isinstance(about, Person) else about.author
        files = open_bundle(bytes(upload.data), reader.identity)
        opened = hashlib.sha256(files["data/release.jws"]).hexdigest()
        unopened = None if verdict == "rejected" else "0" * 64
        author = Person() if flaw == "signer" else reader
        said = Receipt(
            iss=author.id,
            jti=signing.new_jti(os.urandom(16)),
            iat=int(self.world.clock.now()),
            bundle="0" * 64 if flaw == "bundle" else hashlib.sha256(upload.data).hexdigest(),
            release=unopened if flaw == "unopened" else opened,
            verdict="accepted" if verdict == "accepted" else "rejected",
            rule="" if verdict == "accepted" else "clips-differ",
        )
        jws = author.signing.sign(said).encode()
        return jws[:-1] if flaw == "noise" else jws

    def check_receipts(self, lines: list[tuple[str, str]]) -> None:
        """``lines`` are the ledger's events and subjects; each end has a receipt that says so."""
        for verdict, event in (("accepted", "release.delivered"), ("rejected", "release.rejected")):
            ended = [subject for said, subject in lines if said == event]
            assert len(ended) == len(set(ended)), f"{event} twice"
            assert all(verdict in self.answered[name] for name in ended), f"{event} by nobody"
            self.told[event] += len(ended)
