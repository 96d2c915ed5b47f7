"""The owner's watch over a camera's ledger, which may only grow.

Every letter carries the ledger's head, and proofs that it grew from the heads that the owners
named in their last ``sync``. The folder keeps the newest head, and those of before from which no
letter has proved growth yet, each in the letter that the camera signed. The next ``sync`` names
all of them, so the camera cannot show one ledger and go on with another.

A letter that contradicts them is kept too, the first of each kind, and is a warning until a
letter proves that nothing was lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.consent.cards import DeviceCard
from agent.consent.statements import ConsistencyProof, LedgerHead
from agent.consent.transparency.merkle import is_consistent
from agent.errors import Refused
from agent.owner.home.folder import OwnerFolder, StoredStatement
from agent.owner.inbox import verify
from agent.owner.inbox.verify import CameraStatement
from agent.owner.wording import text

FOLDER = "ledger"
_AGAINST = "ledger-contradicted"
_MOST_HEADS = 8  # as many as a sync may name
_SHORTER, _FORKED, _UNPROVEN = "shorter", "forked", "unproven"
_WARNINGS = {
    _SHORTER: "its ledger went back from line {} to {}: the camera was set back to an older state,"
    " or lines were removed",
    _FORKED: "its ledger does not begin any more with the {} lines of before: it was forked, that"
    " is, changed, or the camera was set back to an older state and went on from there",
    _UNPROVEN: "it was asked to prove that its ledger still begins with the {} lines of before,"
    " and did not",
}


class LedgerWatch:
    """The memory of one camera's ledger."""

    def __init__(self, folder: OwnerFolder, device: DeviceCard) -> None:
        self._folder = folder
        self._device = device
        self._verified: dict[str, CameraStatement | None] = {}  # by text

    def heads(self) -> tuple[LedgerHead, ...]:
        """The heads for a ``sync`` to name, the newest last."""
        return tuple(one.ledger for one in self._seen())

    def warnings(self) -> Iterator[str]:
        """A sentence for each kind of contradiction that is not resolved."""
        for name, letter in self._folder.kept(_AGAINST, self._device.name):
            kind, _, size = name.partition("-")
            said = self._read(letter)
            if said is not None and kind in _WARNINGS:
                what = _WARNINGS[kind].format(size.lstrip("0"), said.ledger.size)
                yield f"{self._device.name}: {what}. It first said so {text.moment(said.iat)}"

    def take(
        self, statement: CameraStatement, jws: str, *, now: float, answers: tuple[LedgerHead, ...]
    ) -> str:
        """Compare a new letter with the earlier ones; a warning, or nothing.

        ``answers`` are the heads in the ``sync`` that the letter answers, if it answers one.
        """
        name, letter = self._device.name, StoredStatement(jws=jws, received_at=now)
        seen, warning = self._seen(), ""
        if not seen and self._folder.names(FOLDER, name):
            self._forget(FOLDER)
            self._forget(_AGAINST)
            warning = f"{name}: has other keys than before, and a new ledger"
        contradicted = _contradiction(statement, seen, answers)
        against = self._folder.names(_AGAINST, name)
        if contradicted is not None:
            kind, old_head = contradicted
            if not any(one.startswith(kind) for one in against):
                self._folder.keep(_AGAINST, name, f"{kind}-{_file_name(old_head)}", letter)
            return warning
        proved = {proof.from_size for proof in statement.proofs}
        if not seen or statement.ledger.size > seen[-1].ledger.size:
            self._folder.keep(FOLDER, name, _file_name(statement.ledger), letter)
            sizes = [one.ledger.size for one in seen]
            left = [size for size in sizes if size and size not in proved][: _MOST_HEADS - 1]
            for old in seen:
                if old.ledger.size not in left:
                    self._folder.drop(FOLDER, name, _file_name(old.ledger))
        if against and proved.issuperset(one.ledger.size for one in seen):
            said = [self._read(letter) for _, letter in self._folder.kept(_AGAINST, name)]
            if all(one is None or one.iat < statement.iat for one in said):
                self._forget(_AGAINST)  # nothing was lost after all
        return warning

    def _seen(self) -> list[CameraStatement]:
        """The letters with the heads to remember, by their size."""
        letters = (letter for _, letter in self._folder.kept(FOLDER, self._device.name))
        read = [one for letter in letters if (one := self._read(letter)) is not None]
        return sorted(read, key=lambda one: one.ledger.size)

    def _read(self, letter: StoredStatement) -> CameraStatement | None:
        if letter.jws not in self._verified:
            try:
                self._verified[letter.jws] = verify.read_statement(letter.jws, self._device)
            except Refused:  # of a camera that had other keys
                self._verified[letter.jws] = None
        return self._verified[letter.jws]

    def _forget(self, folder: str) -> None:
        for name in self._folder.names(folder, self._device.name):
            self._folder.drop(folder, self._device.name, name)


def _contradiction(
    statement: CameraStatement, seen: list[CameraStatement], answers: tuple[LedgerHead, ...]
) -> tuple[str, LedgerHead] | None:
    """The kind of contradiction between ``statement`` and an earlier head; None without one."""
    head = statement.ledger
    proofs = {proof.from_size: proof for proof in statement.proofs}
    for old in (one.ledger for one in seen):
        if old.size == head.size and old != head:
            return _FORKED, old
        if old.size in proofs and not _holds(proofs[old.size], old, head):
            return _FORKED, old
    if seen and head.size < seen[-1].ledger.size and statement.iat > seen[-1].iat:
        return _SHORTER, seen[-1].ledger
    for old in answers:
        if 0 < old.size <= head.size and old.size not in proofs:
            return _UNPROVEN, old
    return None


def _holds(proof: ConsistencyProof, old: LedgerHead, new: LedgerHead) -> bool:
    path = [bytes.fromhex(node) for node in proof.path]
    return is_consistent(old.size, bytes.fromhex(old.root), new.size, bytes.fromhex(new.root), path)


def _file_name(head: LedgerHead) -> str:
    return f"{head.size:016d}"
