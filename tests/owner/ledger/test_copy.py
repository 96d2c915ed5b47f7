"""The owner's copy of a ledger: whole, or broken at a line that is named."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.statements import LedgerHead
from agent.errors import ClipAgentError, MalformedStatement, NetworkFault, StorageFault
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.client import OwnerClient
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox.inbox import Inbox
from agent.owner.ledger.copy import LedgerCopy, _entry
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera


@pytest.fixture
def take(inbox: Inbox, camera: FakeCamera, keys: Keys) -> Callable[[bytes], None]:
    def take(letter: bytes) -> None:
        topic = topics.parse(topics.release(camera.name, "0" * 16), feed="")
        assert topic is not None
        inbox.take(topic, letter, keys, now=1.0)

    return take


@pytest.fixture
def copy(home: OwnerFolder, camera: FakeCamera, inbox: Inbox) -> Callable[[], LedgerCopy]:
    return lambda: LedgerCopy(home, camera.card, inbox.ledger_heads(camera.name))


Take = Callable[[bytes], None]
Copy = Callable[[], LedgerCopy]


def write(camera: FakeCamera, count: int) -> None:
    for number in range(count):
        camera.write_line(owner="o", number=number)


def test_pages_join_and_are_whole(camera: FakeCamera, take: Take, copy: Copy) -> None:
    write(camera, 25)
    camera.lines_a_page = 10
    for after in (0, 10, 20):
        take(camera.ledger_page(after))
    found = copy()
    assert [entry.seq for entry in found.checked()] == list(range(1, 26))
    assert (found.head(), found.missing) == (camera.head(), 0)
    assert found.lines() == b"".join(line + b"\n" for line in camera.lines)


def test_an_empty_copy_is_empty(copy: Copy) -> None:
    found = copy()
    assert (len(found), list(found.checked()), found.newest, found.next_after) == (0, [], None, 0)


def test_the_last_page_is_asked_for_again_and_grows(
    camera: FakeCamera, take: Take, copy: Copy
) -> None:
    write(camera, 3)
    take(camera.ledger_page(0))
    write(camera, 2)
    assert copy().next_after == 0, "it was small"
    take(camera.ledger_page(0))
    assert len(copy()) == 5


def test_a_large_page_is_not_asked_for_again(camera: FakeCamera, take: Take, copy: Copy) -> None:
    for _ in range(150):
        camera.write_line(text="x" * 1_000)
    take(camera.ledger_page(0))
    assert copy().next_after == 150


def changed(camera: FakeCamera, lines: Sequence[bytes]) -> dict[str, str]:
    return {"lines": base64.b64encode(b"".join(line + b"\n" for line in lines)).decode()}


def test_a_line_that_was_changed_is_found(camera: FakeCamera, take: Take, copy: Copy) -> None:
    write(camera, 6)
    forged = [*camera.lines]
    forged[2] = forged[2].replace(b'"number":2', b'"number":9')
    take(camera.ledger_page(0, **changed(camera, forged)))
    with pytest.raises(StorageFault, match="ledger line 6: the ledger up to here is not what"):
        list(copy().checked())


def test_a_page_that_continues_another_ledger_is_found_where_the_head_was(
    camera: FakeCamera, take: Take, copy: Copy
) -> None:
    write(camera, 4)
    camera.lines_a_page = 4
    take(camera.ledger_page(0))
    camera.lines[1] = camera.lines[1].replace(b'"number":1', b'"number":7')
    write(camera, 2)
    take(camera.ledger_page(4))
    with pytest.raises(StorageFault, match="ledger line 6"):
        list(copy().checked())


def test_heads_of_other_letters_count_too(camera: FakeCamera, take: Take, copy: Copy) -> None:
    write(camera, 4)
    take(camera.listing([]))  # its head is remembered
    camera.lines[0] = camera.lines[0].replace(b'"number":0', b'"number":7')
    take(camera.ledger_page(0))
    with pytest.raises(StorageFault, match="ledger line 4"):
        list(copy().checked())


def test_lines_that_the_camera_told_of_and_did_not_send_are_counted(
    camera: FakeCamera, take: Take, copy: Copy
) -> None:
    write(camera, 9)
    camera.lines_a_page = 5
    take(camera.ledger_page(0))
    assert (len(copy()), copy().missing) == (5, 4)


def test_a_head_from_elsewhere_is_compared(camera: FakeCamera, take: Take, copy: Copy) -> None:
    write(camera, 3)
    take(camera.ledger_page(0))
    list(copy().checked(camera.head()))
    with pytest.raises(StorageFault, match="ledger line 2"):
        list(copy().checked(LedgerHead(size=2, root="0" * 64)))


def test_pages_of_a_camera_that_had_other_keys_do_not_count(
    home: OwnerFolder, camera: FakeCamera, take: Take
) -> None:
    write(camera, 3)
    take(camera.ledger_page(0))
    other = FakeCamera(camera.name, camera.owner)
    assert len(LedgerCopy(home, other.card, ())) == 0


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"[]",
        b'{"at":1}',
        b'{"at":1,"detail":{},"event":"e","seq":1,"subject":"","more":1}',
        b'{"at": 1,"detail":{},"event":"e","seq":1,"subject":""}',
        b'{"at":1,"detail":{},"event":"e","seq":2,"subject":""}',
        b'{"at":NaN,"detail":{},"event":"e","seq":1,"subject":""}',
        b'{"at":1,"detail":{"a":' + b"[" * 5_000 + b"]" * 5_000 + b'},"event":"e","seq":1}',
        b"\xff",
    ],
)
def test_a_line_that_is_none_is_named(line: bytes) -> None:
    with pytest.raises(StorageFault, match="ledger line 1: "):
        _entry(1, line)


@given(st.binary(max_size=200) | st.from_type(dict).map(lambda one: json.dumps(one).encode()))
def test_no_line_ends_the_reader(line: bytes) -> None:
    with contextlib.suppress(StorageFault):
        assert _entry(1, line).text().encode() == line


# Over a broker


@pytest.fixture
def client(owner: OwnerAtHome) -> OwnerClient:
    return OwnerClient(owner.folder)


def test_a_ledger_is_fetched_page_by_page_and_then_what_is_new(
    owner: OwnerAtHome, client: OwnerClient, keys: Keys
) -> None:
    camera, told = owner.camera, list[tuple[int, int]]()
    write(camera, 30)
    camera.lines_a_page = 12
    with camera.serve(owner.broker):
        copy = client.ledgers.fetch(
            camera.name, keys, progress=lambda done, total: told.append((done, total))
        )
        assert told == [(12, 31), (24, 32), (33, 33)]
        assert len(list(copy.checked())) == 33
        assert copy.missing == 0
        camera.lines_a_page = 1_000
        assert len(list(client.ledgers.fetch(camera.name, keys).checked())) == 34
    assert len(list(client.ledgers.read(camera.name).entries())) == 34, "without the camera"


def test_fetched_anew_a_ledger_replaces_a_broken_copy(
    owner: OwnerAtHome, client: OwnerClient, keys: Keys
) -> None:
    camera = owner.camera
    write(camera, 5)
    with camera.serve(owner.broker):
        client.ledgers.fetch(camera.name, keys)
        for path in (owner.folder.path / "ledger-lines" / camera.name).iterdir():
            path.write_text(path.read_text().replace("closed", "damaged"))
        with pytest.raises(ClipAgentError):
            client.ledgers.fetch(camera.name, keys)
        for path in (owner.folder.path / "ledger-lines" / camera.name).iterdir():
            path.unlink()
        assert len(list(client.ledgers.fetch(camera.name, keys, anew=True).checked())) > 5


def test_a_copy_is_kept_if_the_camera_is_away(
    owner: OwnerAtHome, client: OwnerClient, keys: Keys
) -> None:
    write(owner.camera, 5)
    with owner.camera.serve(owner.broker):
        client.ledgers.fetch(owner.camera.name, keys)
    with pytest.raises(NetworkFault, match="offline"):
        client.ledgers.fetch(owner.camera.name, keys, anew=True)
    assert len(client.ledgers.read(owner.camera.name)) == 6


@pytest.mark.parametrize(
    "changes",
    [{"lines": "eA=="}, {"after": 7}],
)
def test_a_page_that_was_not_asked_for_is_refused(
    owner: OwnerAtHome,
    client: OwnerClient,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    camera = owner.camera
    write(camera, 3)
    letter = camera.ledger_page(**{"after": 0, **changes})
    monkeypatch.setattr(camera, "ledger_page", lambda after: letter)
    with camera.serve(owner.broker), pytest.raises(MalformedStatement):
        client.ledgers.fetch(camera.name, keys)


def test_a_camera_that_never_ends_is_left(
    owner: OwnerAtHome, client: OwnerClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = owner.camera
    write(camera, 3)
    camera.lines_a_page = 1
    monkeypatch.setattr("agent.owner.ledger.ledgers._MOST_PAGES", 5)
    with camera.serve(owner.broker):
        assert len(client.ledgers.fetch(camera.name, keys)) == 5
