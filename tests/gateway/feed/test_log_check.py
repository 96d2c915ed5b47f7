"""Posts must stand in the pinned log: attacks on one household, on all, and on the log."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import config
from agent.consent import signing
from agent.consent.statements import LogPlace, PauseRequests, Request, ResumeRequests
from agent.consent.transparency import merkle
from agent.errors import ConfigError, StorageFault
from agent.gateway.feed import pending as waiting
from agent.mqtt import topics
from tests.consent.logs import FakeLog, FakeWitness
from tests.support.feed import alert, notices, publish, report, send, withdrawal
from tests.support.gateway_world import FEED, World, change_cards, rules
from tests.support.house import Person


def logged(log: FakeLog, jws: str) -> int:
    """Enter a post into the log; its index."""
    log.entries.append(jws.encode())
    log._tree.append(merkle.leaf_hash(jws.encode()))
    return len(log.entries) - 1


def of_log(pinned: FakeLog, /, **changes: Any) -> config.Feed:
    return config.Feed(topic=FEED, log_key=pinned.key.text, **changes)


class Public:
    """A world whose owner has pinned a log, and that log."""

    def __init__(self, root: Path, **changes: Any) -> None:
        self.log = FakeLog(3)
        self.world = World(root, feed=of_log(self.log, **changes))
        self.world.house.record()

    def post(self, log: FakeLog | None = None, said: Any = None) -> str:
        """A request that stands in the log, with its proof."""
        log, said = log or self.log, said or self.world.house.request()
        jws = self.world.house.requester.signing.sign(said)
        send(self.world, said, jws, proof=log.proof(logged(log, jws)))
        return jws

    def link(self, old: int, new: int, log: FakeLog | None = None) -> None:
        link = (log or self.log).link(old, new)
        self.world.broker.send(topics.log_link(FEED, old), link, retained=True)
        self.world.run()

    def fork(self) -> FakeLog:
        """The same log, as somebody else is shown it."""
        other = FakeLog(3)
        other.grow(len(self.log.entries) - 3, past="other")
        return other


@pytest.fixture
def public(tmp_path: Path) -> Any:
    made = Public(tmp_path)
    yield made
    made.world.kill()


def test_a_request_in_the_log_counts_and_its_place_is_on_record(public: Public) -> None:
    post = public.post()
    letter = report(public.world, post)
    assert letter is not None
    assert letter.log == LogPlace(origin=public.log.key.name, index=3, size=4)
    ((_, detail),) = public.world.events("request.opened")
    assert detail["log"] == {"origin": public.log.key.name, "index": 3, "size": 4}
    ((_, pinned),) = public.world.events("log.pinned")
    assert pinned["key"] == public.log.key.text


def test_a_request_for_one_household_alone_is_refused(public: Public) -> None:
    world = public.world
    said = world.house.request()
    jws = publish(world, said)
    assert rules(world, "post.refused") == ["proof-missing"]
    assert world.request_state(jws) == ""
    send(world, said, jws, proof=public.log.proof(logged(public.log, jws)))
    assert world.request_state(jws) == "OPEN", "with its proof it is heard after all"


def test_a_false_proof_put_to_a_request_does_not_silence_it(public: Public) -> None:
    world, said = public.world, public.world.house.request()
    jws = world.house.post(said)
    proof = public.log.proof(logged(public.log, jws))
    for false in (b"nonsense", public.log.proof(0), proof[:-4]):
        send(world, said, jws, proof=false)
    assert len(rules(world, "post.refused")) == 3
    send(world, said, jws, proof=proof)
    assert world.request_state(jws) == "OPEN"


def test_an_alert_must_be_public_too_and_a_withdrawal_must_not(public: Public) -> None:
    world, post = public.world, public.post()
    publish(world, alert(world))
    assert rules(world, "post.refused") == ["proof-missing"]
    assert notices(world) == []
    public.post(said=alert(world))  # its checkpoint has no link yet
    assert notices(world) == []
    public.link(4, 5)
    assert [notice.kind for notice in notices(world)] == ["alert"]
    publish(world, withdrawal(world, post))
    assert world.request_state(post) == "WITHDRAWN"


def test_a_post_waits_for_its_link_in_any_order(public: Public) -> None:
    public.post()
    second, third = public.post(), public.post()
    assert {public.world.request_state(post) for post in (second, third)} == {""}
    public.link(5, 6)
    assert public.world.request_state(third) == ""
    public.link(4, 5)
    assert {public.world.request_state(post) for post in (second, third)} <= {"OPEN", "REFUSED"}
    assert len(public.world.events("request.")) >= 3


def test_links_that_came_first_serve_the_posts_behind_them(public: Public) -> None:
    public.post()
    public.log.grow(1)
    public.link(4, 5)
    public.link(5, 5)
    post = public.post()
    public.link(5, 6)
    assert public.world.request_state(post) == "OPEN"


def test_the_view_of_the_log_outlives_a_restart(public: Public) -> None:
    public.post()
    public.world.restart()
    other = public.fork()
    post = public.post(other)  # size 5 of another list: no link can lead there
    public.link(4, 5, other)
    assert public.world.request_state(post) == ""
    assert "log-not-consistent" in rules(public.world, "link.refused")
    assert len(public.world.events("log.pinned")) == 1


def test_a_log_that_shows_two_pasts_is_convicted_and_believed_no_more(public: Public) -> None:
    world = public.world
    post = public.post()
    public.post(FakeLog(3))  # size 4, with another entry there
    ((_, detail),) = world.events("log.forked")
    assert len(set(detail["notes"])) == len(set(detail["digests"])) == 2
    assert all(note.startswith(public.log.key.name) for note in detail["notes"])
    (notice,) = notices(world)
    assert (notice.kind, notice.who) == ("log", public.log.key.name)
    later = public.post()
    assert world.request_state(later) == ""
    assert set(rules(world, "post.refused")) == {"log-forked"}
    world.restart()
    assert world.request_state(public.post()) == ""
    assert len(world.events("log.forked")) == 1
    publish(world, withdrawal(world, post))
    assert world.request_state(post) == "WITHDRAWN", "stopping does not depend on a log"


def test_after_a_fork_the_letters_of_what_is_open_say_so_also_under_another_log(
    public: Public,
) -> None:
    world, post = public.world, public.post()
    public.post(FakeLog(3))
    letter = report(world, post)
    assert letter is not None and letter.log is not None and letter.log.forked
    world.house.config = _with_feed(world, of_log(FakeLog(1, name="other.example/log")))
    world.restart()
    world.house.record()
    world.run()
    letter = report(world, post)
    assert letter is not None and len(letter.clips) == 2, "it was written anew"
    assert letter.log is not None and letter.log.forked
    approval = world.house.approve(post, [world.house.record()])
    world.run()
    world.to_device(approval)
    assert len(world.receiver.finished) == 1, "whether to answer is still the owner's to say"


def test_a_fork_in_a_pause_is_told_at_once_and_in_the_letters_that_come_after_it(
    public: Public,
) -> None:
    world, post = public.world, public.post()
    world.to_device(world.house.command(PauseRequests()))
    public.post(FakeLog(3))
    assert [notice.kind for notice in notices(world)] == ["log"]
    assert report(world, post) is None
    world.restart()
    world.to_device(world.house.command(ResumeRequests()))
    letter = report(world, post)
    assert letter is not None and letter.log is not None and letter.log.forked


def test_a_release_approved_before_a_fork_goes_on_until_its_owner_stops_it(public: Public) -> None:
    world, post = public.world, public.post()
    clip = world.house.record()
    world.run()
    world.receiver.faults = ["request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    assert not world.receiver.finished
    public.post(FakeLog(3))
    letter = report(world, post)
    assert letter is not None and letter.log is not None and letter.log.forked
    world.to_device(world.house.decline(post))
    world.clock.advance(1_000)
    world.run()
    assert not world.receiver.finished


def test_a_copy_of_a_known_post_can_convict_the_log(public: Public) -> None:
    world, said = public.world, public.world.house.request()
    jws = public.post(said=said)
    other = FakeLog(2)
    other.grow(1, past="other")
    send(world, said, jws, proof=other.proof(logged(other, jws)))
    assert len(world.events("log.forked")) == 1


def test_after_a_fork_an_owner_goes_on_with_another_log(public: Public) -> None:
    world = public.world
    public.post()
    public.post(FakeLog(3))
    new = FakeLog(1, name="other.example/log")
    world.house.config = _with_feed(world, of_log(new))
    world.restart()
    said = world.house.request()
    jws = world.house.post(said)
    send(world, said, jws, proof=new.proof(logged(new, jws)))
    assert world.request_state(jws) == "OPEN"
    assert [detail["origin"] for _, detail in world.events("log.pinned")] == [
        public.log.key.name,
        "other.example/log",
    ]


def test_a_request_that_was_refused_in_a_fork_is_heard_with_the_proof_of_a_new_log(
    public: Public,
) -> None:
    world, said = public.world, public.world.house.request()
    public.post()
    public.post(FakeLog(3))
    jws = public.post(said=said)
    new = FakeLog(1, name="other.example/log")
    world.house.config = _with_feed(world, of_log(new))
    world.restart()
    send(world, said, jws, proof=new.proof(logged(new, jws)))
    assert world.request_state(jws) == "OPEN"


def test_without_enough_witnesses_nothing_counts(tmp_path: Path) -> None:
    witness = FakeWitness("witness.example/w")
    watched = FakeLog(3, witnesses=[witness])
    feed = of_log(watched, witness_keys=(witness.key.text,), witnesses_needed=1)
    world = World(tmp_path, feed=feed)
    world.house.record()
    said = world.house.request()
    jws = world.house.post(said)
    alone = FakeLog(3)
    send(world, said, jws, proof=alone.proof(logged(alone, jws)))
    assert world.request_state(jws) == ""
    send(world, said, jws, proof=watched.proof(logged(watched, jws)))
    assert world.request_state(jws) == "OPEN"
    world.kill()


def test_a_false_proof_is_refused_even_if_the_log_is_optional(tmp_path: Path) -> None:
    public = Public(tmp_path, log="optional")
    world = public.world
    bare = world.post()
    letter = report(world, bare)
    assert letter is not None
    assert letter.log is None
    publish(world, world.house.request(), proof=b"nonsense")
    assert rules(world, "post.refused") == ["proof-malformed"]
    proven = report(world, public.post())
    assert proven is not None
    assert proven.log is not None
    world.kill()


@pytest.mark.parametrize("with_key", [True, False])
def test_proofs_are_not_read_if_the_log_is_off(tmp_path: Path, with_key: bool) -> None:
    key = FakeLog().key.text if with_key else None
    world = World(tmp_path, feed=config.Feed(topic=FEED, log="off", log_key=key))
    world.house.record()
    jws = publish(world, world.house.request(), proof=b"nonsense")
    world.broker.send(topics.log_link(FEED, 1), b"nonsense")
    world.run()
    assert world.request_state(jws) == "OPEN"
    assert world.events("link") == world.events("log") == []
    world.kill()


def test_pending_posts_are_bounded_and_the_busiest_author_pays(
    public: Public, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING", 3)
    public.post()
    posts = [public.post() for _ in range(5)]
    dropped = [detail["post"] for _, detail in public.world.events("post.dropped")]
    assert dropped == [signing.digest(post) for post in posts[:2]]
    assert set(rules(public.world, "post.dropped")) == {"log-link-missing"}


def test_a_post_that_waits_in_vain_is_on_the_ledger_once_and_goes_on(
    public: Public,
) -> None:
    world = public.world
    public.post()
    said, jws, proof = waiting_post(public)
    wait(world, waiting.PATIENCE_SECONDS - 1)
    assert not world.events("post")
    wait(world, 1)
    world.restart()
    send(world, said, jws, proof=proof)
    wait(world, waiting.PATIENCE_SECONDS + 1)
    ((_, detail),) = world.events("post.waiting")
    assert (detail["rule"], detail["requester"]) == ("log-link-missing", said.iss)
    assert world.request_state(jws) == ""
    public.link(4, 5)
    assert world.request_state(jws) == "OPEN"


def test_of_more_posts_than_are_kept_a_day_those_that_wait_in_vain_are_counted(
    public: Public,
) -> None:
    world = public.world
    public.post()
    for _ in range(70):
        waiting_post(public)
    wait(world, waiting.PATIENCE_SECONDS)
    wait(world, 100_000)
    lines = len(world.events("post.waiting"))
    assert len(world.events("posts.flooded")) == 1
    counted = [detail["counted"] for _, detail in world.events("posts.flood-over")]
    assert (lines + sum(counted), len(counted)) == (70, 1), "each is on the record, once"


def wait(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    world.run()


def test_false_links_are_a_line_each_and_then_counted(public: Public) -> None:
    for number in range(70):
        link = b"old %d\n\nnonsense" % number
        for _ in range(2):
            public.world.broker.send(topics.log_link(FEED, number), link, retained=True)
        public.world.run()
    assert len(public.world.events("link.refused")) == 50
    assert [notice.kind for notice in notices(public.world)] == ["flood"]


def test_true_links_alone_are_written_down_once_a_minute(public: Public) -> None:
    public.post()
    public.log.grow(20)
    with public.world.house.open_database() as database:
        public.world.run()
        before = database.rows("SELECT view FROM log")
        for size in range(4, 24):
            public.link(size, size + 1)
        assert database.rows("SELECT view FROM log") == before
        public.world.clock.advance(61)
        public.world.run()
        assert database.rows("SELECT view FROM log") != before


def test_a_damaged_view_is_not_taken_for_a_fresh_start(public: Public) -> None:
    public.post()
    public.world.kill()
    with public.world.house.open_database() as database, database.transaction() as db:
        db.execute("UPDATE log SET view = 'x'")
    with pytest.raises(StorageFault, match="public log"):
        public.world.restart()


def test_a_key_that_is_none_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="key"):
        World(tmp_path, feed=config.Feed(topic=FEED, log_key="nonsense"))


def _with_feed(world: World, feed: config.Feed) -> config.Config:
    return msgspec.structs.replace(world.house.config, feed=feed)


# Copies with other proofs, which anybody may make


def padded(proof: bytes, number: int) -> bytes:
    """The same proof with other words of its own: C2SP tlog-proof allows an extra line."""
    first, _, rest = proof.partition(b"\n")
    return first + b"\nextra " + base64.b64encode(b"%d" % number) + b"\n" + rest


def test_copies_of_a_post_that_waits_cost_its_author_nothing(public: Public) -> None:
    world = public.world
    public.post()
    said, jws, proof = waiting_post(public)
    for number in range(waiting.MAX_WAITING + 60):
        send(world, said, jws, proof=padded(proof, number))
    assert not world.events("post")
    public.link(4, 5)
    assert world.request_state(jws) == "OPEN"
    later = public.post()
    public.link(5, 6)
    assert world.request_state(later) == "REFUSED", "two are open: heard, and by the rules"
    assert rules(world, "request.refused") == ["too-many-open"]


def test_a_post_whose_copy_waits_for_what_never_comes_is_heard_by_its_own_proof(
    public: Public,
) -> None:
    world = public.world
    public.post()
    said, jws, _ = waiting_post(public)
    index = len(public.log.entries) - 1
    public.log.grow(3)
    send(world, said, jws, proof=public.log.proof(index, 7))  # nobody links to size 7
    public.link(4, 5)
    assert world.request_state(jws) == "OPEN"


def test_a_post_is_heard_by_the_last_copy_when_the_first_waits_in_vain(public: Public) -> None:
    world = public.world
    public.post()
    said = world.house.request()
    jws = world.house.post(said)
    index = logged(public.log, jws)
    public.log.grow(3)
    for size in (7, 6, 5, 7, 6, 5, 8):
        send(world, said, jws, proof=public.log.proof(index, size))
    public.link(4, 8)
    assert world.request_state(jws) == "OPEN"


def waiting_post(public: Public) -> tuple[Request, str, bytes]:
    """A request whose checkpoint has no link yet."""
    said = public.world.house.request()
    jws = public.world.house.post(said)
    proof = public.log.proof(logged(public.log, jws))
    send(public.world, said, jws, proof=proof)
    assert public.world.request_state(jws) == ""
    return said, jws, proof


# What was refused under other terms


def test_an_unknown_requester_is_heard_once_their_card_is_there(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.house.record()
    stranger = Person()
    said = world.house.request(iss=stranger.id)
    jws = publish(world, said, stranger)
    send(world, said, jws)
    assert rules(world, "post.refused") == ["unknown-signer"]
    card = {
        "role": "requester", "name": "Fire Department", "sign": stranger.signing.public.text,
        "seal": stranger.recipient, "upload_hosts": ["127.0.0.1:1"],
    }  # fmt: skip
    change_cards(world, lambda cards: cards.append(card))
    world.restart()
    send(world, said, jws)
    assert world.request_state(jws) == "OPEN"
    world.kill()


def test_a_post_without_proof_is_heard_once_none_is_required(public: Public) -> None:
    world, said = public.world, public.world.house.request()
    jws = publish(world, said)
    assert rules(world, "post.refused") == ["proof-missing"]
    world.house.config = _with_feed(world, of_log(public.log, log="optional"))
    world.restart()
    send(world, said, jws)
    assert world.request_state(jws) == "OPEN"
