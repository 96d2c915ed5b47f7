"""A device's view of a public log: a post counts if everybody can see it in one growing list.

A requester could show a post to one household only, or deny it later, so a post needs a proof that
it is in a public log whose key the owner pinned. A log could keep a second list for one household,
so every accepted checkpoint must belong to the same growing list as all accepted before.

1. A post is refused if its proof fails or its checkpoint is not signed as the owner's
   :class:`LogPolicy` requires.
2. The first checkpoint ever seen is believed: trust on first use, under the pinned key.
3. A post under a known checkpoint is :class:`Included`.
4. A post under any other checkpoint is :class:`Waiting` for a chain of links to a known one, older
   or newer. Links may come in any order, before or after the post.
5. Two signed checkpoints of one size with different roots are a **fork**: ``checkpoint-forked``,
   with both notes as evidence for anybody who has the log's key. From then on no post in that log
   is public, until the owner pins another.
6. A link that fails is ``log-not-consistent``, and only that link is refused. Its notes prove
   nothing: its hashes are not signed, so anyone who may write to the feed could make it up.
7. Memory is bounded: the newest :data:`MAX_HEADS` known checkpoints, the latest :data:`MAX_LINKS`
   links that connect to none of them yet. A post under a forgotten checkpoint or link waits, and
   the owner does not hear of it.

Not detected: a log that shows this device another list from the first day. Witnesses compare.

A view is a value: its methods return the next one. :meth:`LogView.text` holds what must survive a
restart; the broker redelivers links and waiting posts. The rules of
:mod:`agent.consent.transparency.proof` apply too; ``not-included`` is added here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from agent.consent import decoding
from agent.consent.statements import Part
from agent.consent.transparency.checkpoint import Checkpoint
from agent.consent.transparency.proof import Link, LogPolicy, read_link, read_proof
from agent.errors import MalformedStatement, NotPublic, StorageFault

MAX_HEADS: Final = 2_048
MAX_LINKS: Final = 2_048
KEPT_HEADS: Final = 64  # the newest of them are stored
_MAX_TEXT_BYTES: Final = 1_000_000  # KEPT_HEADS notes of proof.MAX_BYTES


@dataclass(frozen=True)
class Included:
    """A post is public: entry ``index`` of the log, seen when the log had ``size``."""

    index: int
    size: int


@dataclass(frozen=True)
class Waiting:
    """A post is under a checkpoint of ``size`` that no chain of links connects yet.

    Check it again once :meth:`LogView.knows` that size.
    """

    size: int


class _Kept(Part, frozen=True):
    """The stored form of a view: notes of known checkpoints, and the two notes of a fork."""

    key: str
    heads: tuple[str, ...]
    fork: tuple[str, str] | None


@dataclass(frozen=True)
class LogView:
    """A device's knowledge of one log. ``heads``: known checkpoints by size, all of one list.

    ``fork``: the two notes that prove a fork. ``links``: those not connected yet, oldest first.
    ``troubles``: refusals since the previous view. The last two do not count in comparisons.
    """

    policy: LogPolicy
    heads: Mapping[int, Checkpoint] = field(default_factory=lambda: MappingProxyType({}))
    fork: tuple[str, str] | None = None
    links: tuple[Link, ...] = field(default=(), compare=False)
    troubles: tuple[NotPublic, ...] = field(default=(), compare=False)

    def knows(self, size: int) -> bool:
        """True if a post that waits for ``size`` can be decided."""
        return size in self.heads or bool(self.fork)

    def check(
        self, entry: bytes, proof_text: bytes
    ) -> tuple[LogView, Included | Waiting | NotPublic]:
        """Check ``entry``, a JWS as posted, by the proof in the lines after it."""
        view = replace(self, troubles=())
        try:
            proof = read_proof(proof_text, self.policy)
        except NotPublic as refusal:
            return view, refusal
        head = proof.head
        if not proof.holds(entry):
            return view, NotPublic("not-included", "the log does not hold this post")
        # A checkpoint is a link from itself to itself, so it joins the search for a chain.
        view = view._join(Link(head.size, (), head))
        if view.fork:
            return replace(view, troubles=()), _forked(view.fork)
        if head.size in view.heads:
            return view, Included(proof.index, head.size)
        return view, Waiting(head.size)

    def advance(self, link_text: bytes) -> LogView:
        """The view after a link; its ``troubles`` hold what was refused."""
        view = replace(self, troubles=())
        try:
            link = read_link(link_text, self.policy)
        except NotPublic as refusal:
            return replace(view, troubles=(refusal,))
        return view._join(link)

    def _join(self, link: Link) -> LogView:
        """The view with ``link``, and with all that it connects."""
        if self.fork or not link.head.size:
            return self  # forked already, or an empty log, which begins every list
        if (rival := self._rival(link.head)) is not None:
            notes = (rival.note, link.head.note)
            return replace(self, fork=notes, links=(), troubles=(_forked(notes),))
        view = self
        if not self.heads:
            view = replace(self, heads=_newest({link.head.size: link.head}))
        if link in view.links or _sizes(link) <= view.heads.keys():
            return view
        return replace(view, links=(*view.links, link)[-MAX_LINKS:])._settled(link)

    def _rival(self, head: Checkpoint) -> Checkpoint | None:
        """A checkpoint that cannot be of the same list as ``head``."""
        known = self.heads.get(head.size)
        seen = [known] if known else [link.head for link in self.links]
        rivals = (one for one in seen if one.size == head.size and one.root != head.root)
        return next(rivals, None)

    def _settled(self, new: Link) -> LogView:
        """The view after following all links that ``new`` connects."""
        if not _sizes(new) & self.heads.keys() and all(
            link.old_size != new.head.size for link in self.links if link is not new
        ):
            return self
        known, troubles = dict(self.heads), []
        claimed = {link.head.size: link.head for link in self.links}
        ending: dict[int, list[Link]] = {}
        for link in self.links:
            for size in _sizes(link):
                ending.setdefault(size, []).append(link)
        left = {id(link): link for link in self.links}
        due = deque(ending[new.head.size])
        while due:
            link = due.popleft()
            old = known.get(link.old_size) or claimed.get(link.old_size)
            if id(link) not in left:
                continue
            if _sizes(link) <= known.keys():
                del left[id(link)]
            elif old is not None and _sizes(link) & known.keys():
                del left[id(link)]
                if not link.holds(old):
                    troubles.append(_inconsistent(old, link.head))
                    continue
                for head in (old, link.head):
                    if head.size not in known:
                        known[head.size] = head
                        due += ending[head.size]
        return replace(
            self, heads=_newest(known), links=tuple(left.values()), troubles=tuple(troubles)
        )

    def text(self) -> str:
        """The view to store: the newest :data:`KEPT_HEADS` checkpoints, and a fork."""
        sizes = sorted(self.heads)[-KEPT_HEADS:]
        notes = tuple(self.heads[size].note for size in sizes)
        return decoding.encode(_Kept(self.policy.key.text, notes, self.fork)).decode("utf-8")

    @classmethod
    def from_text(cls, text: str, policy: LogPolicy) -> LogView:
        """From :meth:`text`; StorageFault if damaged. A view under another key is forgotten."""
        try:
            kept = decoding.decode(text.encode("utf-8"), _Kept, _MAX_TEXT_BYTES)
            if kept.key != policy.key.text:
                return cls(policy)
            heads = [policy.verify_kept(note) for note in kept.heads]
            for note in kept.fork or ():
                policy.verify_kept(note)
        except (MalformedStatement, NotPublic) as error:
            raise StorageFault(
                "the stored view of the public log is damaged",
                advice="Restore it from a backup: without it, the log could start over unnoticed",
            ) from error
        return cls(policy, _newest({head.size: head for head in heads}), kept.fork)


def _sizes(link: Link) -> set[int]:
    """The sizes that a link connects, without 0: every list begins empty."""
    return {link.old_size, link.head.size} - {0}


def _newest(heads: Mapping[int, Checkpoint]) -> Mapping[int, Checkpoint]:
    return MappingProxyType({size: heads[size] for size in sorted(heads)[-MAX_HEADS:]})


def _forked(notes: tuple[str, str]) -> NotPublic:
    return NotPublic("checkpoint-forked", "the log has signed two different histories", notes=notes)


def _inconsistent(old: Checkpoint, new: Checkpoint) -> NotPublic:
    return NotPublic(
        "log-not-consistent",
        f"the link does not prove that the log of {new.size} entries begins with {old.size}",
        notes=(old.note, new.note),
    )
