"""The small log: every post is public under its key, and it never signs two histories."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import files
from agent.consent.transparency.proof import LogPolicy, read_link
from agent.consent.transparency.view import Included, LogView
from agent.errors import ConfigError, InternalFault, KeyFileError, NetworkFault, StorageFault
from agent.requester.demo_log.log import Log, NoteKey
from tests.consent import logs
from tests.consent.logs import FakeWitness, entry, private_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Log.create(tmp_path / "log", logs.NAME, private_key(logs.NAME))
    return tmp_path / "log"


class CheckingWitness:
    """A witness as C2SP tlog-witness wants it: signs what grew out of what it saw last."""

    def __init__(self, name: str, policy: LogPolicy) -> None:
        self.signer = FakeWitness(name)
        self._view = LogView(policy)
        self.down = False

    def cosign(self, link: Callable[[int], str]) -> str:
        if self.down:
            raise NetworkFault("the witness cannot be reached")
        seen = logs.latest(self._view)
        body = link(seen.size if seen else 0)
        self._view = self._view.advance(body.encode())
        assert self._view.troubles == () and logs.latest(self._view)
        assert read_link(body.encode(), self._view.policy).head == logs.latest(self._view)
        return self.signer.line(body.split("\n\n")[1] + "\n")


def view_of(log: Log) -> LogView:
    return LogView(LogPolicy.pin(log.key))


def test_a_published_post_is_public_under_the_pinned_key(folder: Path) -> None:
    with Log.open(folder) as log:
        view = view_of(log)
        for number in range(9):
            proof = log.publish(entry(number))
            for link in log.links().values():
                view = view.advance(link.encode())
            view, outcome = view.check(entry(number), proof.encode())
            assert outcome == Included(number, number + 1)
        assert list(log.links()) == [1, 2, 3, 4, 5, 6, 7, 8]
        assert len(log) == 9


def test_a_published_post_is_not_added_again(folder: Path) -> None:
    with Log.open(folder) as log:
        log.publish(entry(0))
        newest = log.publish(entry(1))
        again = log.publish(entry(0))
        assert len(log) == 2 and newest.split("\n\n", 1)[1] == again.split("\n\n", 1)[1]
        assert view_of(log).check(entry(0), again.encode())[1] == Included(0, 2)


def test_a_log_continues_after_a_restart(folder: Path) -> None:
    with Log.open(folder) as log:
        first, key = log.publish(entry(0)), log.key
    with Log.open(folder) as log:
        assert (log.publish(entry(0)), log.key) == (first, key)
        log.publish(entry(1))
        assert list(log.links()) == [1]


def test_the_key_file_is_private_and_in_the_usual_format(folder: Path) -> None:
    path = folder / "log.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text("utf-8")
    assert text.startswith(f"PRIVATE+KEY+{logs.NAME}+") and NoteKey.from_text(text).text() == text


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "turned\u202e", "l" * 121])
def test_an_invalid_log_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name of a log"):
        Log.create(tmp_path / "log", name)
    assert not (tmp_path / "log").exists()


def test_an_existing_log_is_not_overwritten(folder: Path) -> None:
    with pytest.raises(KeyFileError, match="exists"):
        Log.create(folder, logs.NAME)


def test_only_one_process_uses_the_log(folder: Path) -> None:
    another = pytest.raises(StorageFault, match="another process")
    with Log.open(folder), another, Log.open(folder):
        pass
    with Log.open(folder) as log:
        assert len(log) == 0


def test_a_folder_without_a_log_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="log"), Log.open(tmp_path):
        pass


@pytest.mark.parametrize("post", [b"", b"two\nlines", b"line\n"])
def test_an_entry_is_one_line(folder: Path, post: bytes) -> None:
    with Log.open(folder) as log, pytest.raises(InternalFault):
        log.publish(post)


@pytest.mark.parametrize("torn", [b"", entry(2), entry(2)[:7]])
def test_a_line_torn_by_a_power_cut_is_dropped(folder: Path, torn: bytes) -> None:
    with Log.open(folder) as log:
        log.publish(entry(0))
        log.publish(entry(1))
    path = folder / "entries"
    path.write_bytes(path.read_bytes() + torn)
    with Log.open(folder) as log:
        proof = log.publish(entry(3))
        assert view_of(log).check(entry(3), proof.encode())[1] == Included(2, 3)
    assert path.read_bytes() == b"".join(entry(n) + b"\n" for n in (0, 1, 3))


def test_an_unsigned_entry_stays(folder: Path) -> None:
    with Log.open(folder) as log:
        log.publish(entry(0))
    with (folder / "entries").open("ab") as file:
        file.write(entry(1) + b"\n")
    with Log.open(folder) as log:
        assert view_of(log).check(entry(0), log.publish(entry(0)).encode())[1] == Included(0, 2)


def test_after_a_full_disk_the_same_entry_is_published_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with Log.open(folder) as log:
        log.publish(entry(0))
        with monkeypatch.context() as patched:
            patched.setattr(files, "write_all", full)
            with pytest.raises(StorageFault, match="full"):
                log.publish(entry(1))
        assert len(log) == 1
        assert view_of(log).check(entry(1), log.publish(entry(1)).encode())[1] == Included(1, 2)
    with Log.open(folder) as log:
        assert len(log) == 2


@pytest.mark.parametrize("lost", ["line", "byte", "note", "swapped"])
def test_a_log_that_contradicts_its_checkpoints_does_not_open(folder: Path, lost: str) -> None:
    with Log.open(folder) as log:
        for number in range(3):
            log.publish(entry(number))
    path = folder / "entries"
    lines = path.read_bytes().splitlines(keepends=True)
    match lost:
        case "line":
            path.write_bytes(b"".join(lines[:-1]))
        case "byte":
            path.write_bytes(b"".join(lines).replace(b"1.", b"7."))
        case "swapped":
            path.write_bytes(b"".join([lines[1], lines[0], lines[2]]))
        case _:
            (folder / "checkpoints" / "2").write_bytes(b"\xff")
    with pytest.raises(StorageFault, match="not those of checkpoint"), Log.open(folder):
        pass


@pytest.mark.parametrize("text", ["", "PRIVATE+KEY+log.example+00000000+AQ==\n", "\xff"])
def test_a_damaged_key_is_refused(folder: Path, text: str) -> None:
    (folder / "log.key").write_text(text, "latin-1")
    with pytest.raises(KeyFileError, match="damaged"), Log.open(folder):
        pass


def test_a_key_under_another_name_or_id_is_damaged() -> None:
    text = NoteKey("log.example", private_key("x")).text()
    for wrong in (text.replace("log.example", "log.examplf"), text[:-1], text.replace("+A", "+B")):
        with pytest.raises(KeyFileError, match="damaged"):
            NoteKey.from_text(wrong)


def test_witnesses_cosign_the_growing_log(folder: Path) -> None:
    key = NoteKey(logs.NAME, private_key(logs.NAME)).public.text
    witnesses = [CheckingWitness(name, LogPolicy.pin(key)) for name in ("w1.example", "w2.example")]
    policy = LogPolicy.pin(key, [one.signer.key.text for one in witnesses], 2)
    with Log.open(folder, witnesses) as log:
        for number in range(5):
            proof = log.publish(entry(number))
        assert LogView(policy).check(entry(4), proof.encode())[1] == Included(4, 5)


def test_a_checkpoint_is_shown_only_when_all_witnesses_have_signed(folder: Path) -> None:
    key = NoteKey(logs.NAME, private_key(logs.NAME)).public.text
    witness = CheckingWitness("w1.example", LogPolicy.pin(key))
    policy = LogPolicy.pin(key, [witness.signer.key.text], 1)
    with Log.open(folder, [witness]) as log:
        witness.down = True
        with pytest.raises(NetworkFault):
            log.publish(entry(0))
        assert list((folder / "checkpoints").iterdir()) == []
        witness.down = False
        proof = log.publish(entry(0))
        assert len(log) == 1
        assert LogView(policy).check(entry(0), proof.encode())[1] == Included(0, 1)


@settings(max_examples=25)
@given(steps=st.lists(st.one_of(st.integers(0, 12), st.just("reopen")), max_size=20))
def test_posts_published_in_any_order_are_public(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    folder = tmp_path_factory.mktemp("log") / "log"
    Log.create(folder, logs.NAME, private_key(logs.NAME))
    view = LogView(LogPolicy.pin(NoteKey(logs.NAME, private_key(logs.NAME)).public.text))
    order: list[int] = []
    published = iter(steps)
    more = True
    while more:
        more = False
        with Log.open(folder) as log:
            for step in published:
                if isinstance(step, str):
                    more = True
                    break
                proof = log.publish(entry(step))
                order += [] if step in order else [step]
                for link in log.links().values():
                    view = view.advance(link.encode())
                    assert view.troubles == ()
                view, outcome = view.check(entry(step), proof.encode())
                assert outcome == Included(order.index(step), len(order))
