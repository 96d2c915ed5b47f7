"""Whether a post is public: in the one log that everybody sees.

A requester could show a post to one household only, or deny it later. So a post counts
only with a proof that it stands in a public log whose key the owner pinned. The log
might lie too, by keeping a second list for that household. So every checkpoint that is
accepted must belong to the same, only growing list as all that were accepted before:
a :class:`LogView` is what a device knows of that list.

1. A post whose proof fails, or whose checkpoint is not signed as the owner's
   :class:`LogPolicy` wants, is refused.
2. The first checkpoint ever seen is believed: trust on first use, under the pinned key.
3. A post under a checkpoint that is known is :class:`Included`.
4. A post under any other checkpoint is :class:`Waiting` for a chain of links between it
   and a known one, older or newer. Links may come in any order, before or after the post.
5. Two checkpoints of one size with different roots, both signed, are a **fork**:
   ``checkpoint-forked``, with both notes as the evidence, which convinces anybody who has
   the log's key. From then on nothing in that log is public, until the owner pins another.
6. A link that fails is ``log-not-consistent``, and only that link is refused. Its notes
   go along, but prove nothing: its hashes are not signed, so anyone who may write to the
   feed could have made it up.
7. What is kept is bounded: the newest :data:`MAX_HEADS` known checkpoints, the latest
   :data:`MAX_LINKS` links that lead nowhere yet. A post under an older checkpoint, or one
   whose link was crowded out, waits; that the owner hears nothing of it errs on their side.

Not found out here: a log that showed this device another list from the first day, and
never to anybody whom it talks to. Against that, an owner asks for witnesses, who compare.

A view is a value: its methods answer with the next one. :meth:`LogView.text` keeps what
must survive a restart; links, and the posts that wait, come again from the broker, which
retains them. Keeping either, and telling the owner, is the gateway's. Reading is done by
:mod:`agent.consent.transparency.proof`, whose rules apply here too; ``not-included`` is ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from agent.consent import decoding
from agent.consent.statements import Part
from agent.consent.transparency import proof as logproof
from agent.consent.transparency.checkpoint import Checkpoint
from agent.consent.transparency.proof import Link, LogPolicy
from agent.errors import MalformedStatement, NotPublic, StorageFault

MAX_HEADS: Final = 2_048
MAX_LINKS: Final = 2_048
KEPT_HEADS: Final = 64  # of these, the newest are written down
_MAX_TEXT_BYTES: Final = 1_000_000  # KEPT_HEADS notes of logproof.MAX_BYTES


@dataclass(frozen=True)
class Included:
    """A post is public: entry ``index`` of the log, seen when the log had ``size``."""

    index: int
    size: int


@dataclass(frozen=True)
class Waiting:
    """A post is in a log of ``size`` entries that no link has led to yet.

    Worth another :meth:`LogView.check` once :meth:`LogView.knows` that size.
    """

    size: int


class _Kept(Part, frozen=True):
    """A view as it is written down: notes of known checkpoints, and of a fork, two."""

    key: str
    heads: tuple[str, ...]
    fork: tuple[str, str] | None


@dataclass(frozen=True)
class LogView:
    """What a device knows of one log. ``heads``: known checkpoints by size, all of one list.

    ``fork``: the two notes that convict the log, if it is. ``links``: those that lead
    nowhere yet, oldest first. ``troubles``: what was refused on the way to this view
    from the one before. The last two do not make views differ.
    """

    policy: LogPolicy
    heads: Mapping[int, Checkpoint] = field(default_factory=lambda: MappingProxyType({}))
    fork: tuple[str, str] | None = None
    links: tuple[Link, ...] = field(default=(), compare=False)
    troubles: tuple[NotPublic, ...] = field(default=(), compare=False)

    def knows(self, size: int) -> bool:
        """Whether a post that waits for ``size`` can be decided."""
        return size in self.heads or bool(self.fork)

    def check(
        self, entry: bytes, proof_text: bytes
    ) -> tuple[LogView, Included | Waiting | NotPublic]:
        """Whether ``entry``, a JWS as it was posted, is public by the lines after it."""
        view = replace(self, troubles=())
        try:
            proof = logproof.read_proof(proof_text, self.policy)
        except NotPublic as refusal:
            return view, refusal
        head = proof.head
        if not proof.holds(entry):
            return view, NotPublic("not-included", "the log does not hold what was posted")
        # A checkpoint links itself to itself: so it takes part in the search for a chain.
        view = view._join(Link(head.size, (), head))
        if view.fork:
            return replace(view, troubles=()), _forked(view.fork)
        if head.size in view.heads:
            return view, Included(proof.index, head.size)
        return view, Waiting(head.size)

    def advance(self, link_text: bytes) -> LogView:
        """The view after a link. Its ``troubles`` say what had to be refused."""
        view = replace(self, troubles=())
        try:
            link = logproof.read_link(link_text, self.policy)
        except NotPublic as refusal:
            return replace(view, troubles=(refusal,))
        return view._join(link)

    def _join(self, link: Link) -> LogView:
        """The view with ``link``, and with all that it connects."""
        if self.fork or not link.head.size:
            return self  # nothing to learn: it was told, or everything grows out of nothing
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
        """A checkpoint that cannot stand in one list with ``head``."""
        known = self.heads.get(head.size)
        seen = [known] if known else [link.head for link in self.links]
        rivals = (one for one in seen if one.size == head.size and one.root != head.root)
        return next(rivals, None)

    def _settled(self, new: Link) -> LogView:
        """The view after following all links that ``new`` has made worth following."""
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
        """The view to write down: the newest :data:`KEPT_HEADS` checkpoints, and a fork."""
        sizes = sorted(self.heads)[-KEPT_HEADS:]
        notes = tuple(self.heads[size].note for size in sizes)
        return decoding.encode(_Kept(self.policy.key.text, notes, self.fork)).decode("utf-8")

    @classmethod
    def from_text(cls, text: str, policy: LogPolicy) -> LogView:
        """From what :meth:`text` gave; StorageFault if it is damaged.

        Under another key than the policy's, the view of that other log is forgotten.
        """
        try:
            kept = decoding.decode(text.encode("utf-8"), _Kept, _MAX_TEXT_BYTES)
            if kept.key != policy.key.text:
                return cls(policy)
            heads = [policy.verify_kept(note) for note in kept.heads]
            for note in kept.fork or ():
                policy.verify_kept(note)
        except (MalformedStatement, NotPublic) as error:
            raise StorageFault(
                "what was kept of the public log is damaged",
                advice="Restore it from a backup: without it, the log could begin anew unnoticed",
            ) from error
        return cls(policy, _newest({head.size: head for head in heads}), kept.fork)


def _sizes(link: Link) -> set[int]:
    """The sizes that a link connects. Not 0: an empty log is everybody's beginning."""
    return {link.old_size, link.head.size} - {0}


def _newest(heads: Mapping[int, Checkpoint]) -> Mapping[int, Checkpoint]:
    sizes: Iterable[int] = heads
    if len(heads) > MAX_HEADS:
        sizes = sorted(heads)[-MAX_HEADS:]
    return MappingProxyType({size: heads[size] for size in sizes})


def _forked(notes: tuple[str, str]) -> NotPublic:
    return NotPublic("checkpoint-forked", "the log has signed two different pasts", notes=notes)


def _inconsistent(old: Checkpoint, new: Checkpoint) -> NotPublic:
    return NotPublic(
        "log-not-consistent",
        f"that the log of {new.size} entries begins with the earlier {old.size} is not shown",
        notes=(old.note, new.note),
    )
