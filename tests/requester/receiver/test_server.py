"""The receiver over HTTP: restarts, concurrent senders, and false headers."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigError, NetworkFault, Refused, StorageFault
from agent.requester.receiver.server import Receiver
from agent.requester.receiver.tus_app import parse_metadata
from agent.requester.receiver.uploads import Limits, Uploads
from tests.support.clock import SimulatedClock

RELEASE = "0123456789abcdef"
DATA = os.urandom(100_000)


class Sender:
    """A tus client that may break any rule."""

    def __init__(self, receiver: Receiver) -> None:
        self._address = receiver.address

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Tus-Resumable": "1.0.0", **named})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def create(self, size: int, release: str = RELEASE) -> str:
        encoded = base64.b64encode(release.encode()).decode()
        answer = self.ask(
            "POST", "/files/", Upload_Length=str(size), Upload_Metadata=f"release {encoded}"
        )
        assert answer.status == 201
        return answer.headers["Location"]

    def send(self, path: str, offset: int, data: bytes) -> http.client.HTTPResponse:
        return self.ask(
            "PATCH",
            path,
            data,
            Upload_Offset=str(offset),
            Content_Type="application/offset+octet-stream",
        )

    def offset(self, path: str) -> int:
        answer = self.ask("HEAD", path)
        assert answer.status == 200
        return int(answer.headers["Upload-Offset"])


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path / "in", limits=Limits(max_bytes=1_000_000), idle_seconds=10)
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def sender(receiver: Receiver) -> Sender:
    return Sender(receiver)


def test_an_upload_in_two_parts(receiver: Receiver, sender: Sender) -> None:
    path = sender.create(len(DATA))
    assert sender.offset(path) == 0
    answer = sender.send(path, 0, DATA[:60_000])
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, "60000")
    assert receiver.finished() == []
    assert sender.send(path, 60_000, DATA[60_000:]).status == 204
    (file,) = receiver.finished()
    assert file.name == f"{RELEASE}.age"
    assert file.read_bytes() == DATA
    assert sender.offset(path) == len(DATA)  # so that a sender that crashed learns it is done


def test_options_describe_the_server(sender: Sender) -> None:
    answer = sender.ask("OPTIONS", "/files/", Tus_Resumable="0.1")
    assert answer.status == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,expiration,termination"
    assert answer.headers["Tus-Max-Size"] == "1000000"


def test_head_returns_length_metadata_and_expiry_uncached(sender: Sender) -> None:
    path = sender.create(10)
    answer = sender.ask("HEAD", path)
    assert answer.headers["Upload-Length"] == "10"
    assert answer.headers["Upload-Metadata"].startswith("release ")
    assert answer.headers["Upload-Expires"].endswith(" GMT")
    assert answer.headers["Cache-Control"] == "no-store"


def test_another_protocol_version(sender: Sender) -> None:
    answer = sender.ask("POST", "/files/", Upload_Length="1", Tus_Resumable="2.0.0")
    assert (answer.status, answer.headers["Tus-Version"]) == (412, "1.0.0")


@pytest.mark.parametrize("offset", [1, 59_999, 60_001, 10**14])
def test_a_wrong_offset_changes_nothing(sender: Sender, offset: int) -> None:
    path = sender.create(len(DATA))
    sender.send(path, 0, DATA[:60_000])
    assert sender.send(path, offset, b"x").status == 409
    assert sender.offset(path) == 60_000


@pytest.mark.parametrize("offset", ["", "-1", "+1", "1.5", "x", "9" * 30])
def test_an_offset_that_is_not_a_number(sender: Sender, offset: str) -> None:
    path = sender.create(10)
    kind = "application/offset+octet-stream"
    assert sender.ask("PATCH", path, b"x", Upload_Offset=offset, Content_Type=kind).status == 400


def test_the_wrong_content_type(sender: Sender) -> None:
    path = sender.create(10)
    assert sender.ask("PATCH", path, b"x", Upload_Offset="0").status == 415


def test_more_than_the_upload_length_is_not_written(receiver: Receiver, sender: Sender) -> None:
    path = sender.create(10)
    assert sender.send(path, 0, b"12345678901").status == 413
    assert sender.offset(path) == 0
    assert receiver.finished() == []


def test_more_than_the_upload_length_in_chunks_is_not_written(
    receiver: Receiver, sender: Sender
) -> None:
    path = sender.create(10)
    connection = http.client.HTTPConnection(receiver.address, timeout=60)
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    }
    connection.request("PATCH", path, iter([b"12345", b"678901"]), headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert sender.offset(path) <= 10
    assert receiver.finished() == []


def test_too_large_an_upload_is_refused_at_once(sender: Sender) -> None:
    assert sender.ask("POST", "/files/", Upload_Length="1000001").status == 413
    assert sender.ask("POST", "/files/").status == 400
    assert sender.ask("POST", "/files/", Upload_Length="1", Upload_Metadata="a !").status == 400


@pytest.mark.parametrize("path", ["/files/../x", "/files/" + "0" * 32, "/", "/files/x", "/etc"])
def test_other_paths_are_not_found(sender: Sender, path: str) -> None:
    assert sender.ask("HEAD", path).status == 404


def test_other_methods_are_refused(sender: Sender) -> None:
    path = sender.create(10)
    for method in ("GET", "POST", "PUT"):
        assert sender.ask(method, path).status == 405


def test_the_method_override_header_counts(sender: Sender) -> None:
    path = sender.create(10)
    answer = sender.ask("POST", path, X_HTTP_Method_Override="HEAD")
    assert (answer.status, answer.headers["Upload-Offset"]) == (200, "0")


def test_an_empty_upload_is_finished_at_once(receiver: Receiver, sender: Sender) -> None:
    sender.create(0)
    assert [path.stat().st_size for path in receiver.finished()] == [0]


def test_a_broken_connection_keeps_the_received_bytes(receiver: Receiver, sender: Sender) -> None:
    path = sender.create(len(DATA))
    _half_a_patch(receiver, path, DATA[:50_000]).close()
    _until_free(sender, path)
    offset = sender.offset(path)
    assert sender.send(path, offset, DATA[offset:]).status == 204
    assert receiver.finished()[0].read_bytes() == DATA


def test_a_second_writer_waits(receiver: Receiver, sender: Sender) -> None:
    path = sender.create(len(DATA))
    first = _half_a_patch(receiver, path, DATA[:50_000])
    while sender.ask("HEAD", path).status != 423:  # until the receiver is reading the first
        pass
    assert sender.send(path, 0, DATA).status == 423
    first.sendall(DATA[50_000:])
    assert b"204" in first.recv(1_024).split(b"\r\n")[0]
    first.close()
    assert receiver.finished()[0].read_bytes() == DATA


def test_a_silent_sender_frees_the_upload(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "in", idle_seconds=3)
    receiver.start()
    try:
        sender = Sender(receiver)
        path = sender.create(len(DATA))
        silent = _half_a_patch(receiver, path, DATA[:50_000])
        assert b"408" in silent.recv(1_024).split(b"\r\n")[0]
        silent.close()
        assert sender.send(path, sender.offset(path), DATA[sender.offset(path) :]).status == 204
    finally:
        receiver.stop()


def _half_a_patch(receiver: Receiver, path: str, data: bytes) -> socket.socket:
    """A PATCH of all of DATA of which only ``data`` is sent."""
    host, port = receiver.address.split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: {receiver.address}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
        f"Content-Length: {len(DATA)}\r\n\r\n"
    )
    connection.sendall(head.encode() + data)
    return connection


def _until_free(sender: Sender, path: str) -> None:
    while sender.ask("HEAD", path).status == 423:
        pass


def test_an_upload_continues_after_a_restart(tmp_path: Path) -> None:
    told: list[Path] = []
    receiver = Receiver(tmp_path / "in", on_finished=told.append)
    receiver.start()
    path = Sender(receiver).create(len(DATA))
    Sender(receiver).send(path, 0, DATA[:30_000])
    receiver.stop()
    receiver.start()  # on the same port: the sender knows no other
    try:
        assert Sender(receiver).offset(path) == 30_000
        Sender(receiver).send(path, 30_000, DATA[30_000:])
        assert [file.read_bytes() for file in told] == [DATA]
    finally:
        receiver.stop()


def test_the_same_bundle_twice_is_one_file(receiver: Receiver, sender: Sender) -> None:
    for _ in range(2):
        assert sender.send(sender.create(len(DATA)), 0, DATA).status == 204
    assert [file.name for file in receiver.finished()] == [f"{RELEASE}.age"]


def test_a_stranger_cannot_replace_a_finished_bundle(receiver: Receiver, sender: Sender) -> None:
    sender.send(sender.create(len(DATA)), 0, DATA)
    sender.send(sender.create(4), 0, b"evil")
    assert (receiver.finished()[0].parent / f"{RELEASE}.age").read_bytes() == DATA
    assert len(receiver.finished()) == 2


@pytest.mark.parametrize("release", ["../../evil", "", "x" * 16, "0123456789ABCDEF", "a/b"])
def test_an_invalid_release_id_names_no_file(
    receiver: Receiver, sender: Sender, release: str
) -> None:
    path = sender.create(3, release)
    sender.send(path, 0, b"abc")
    assert [file.name for file in receiver.finished()] == [f"{path.rsplit('/', 1)[1]}.age"]


def test_many_uploads_at_once(receiver: Receiver, sender: Sender) -> None:
    def upload(number: int) -> None:
        sender.send(sender.create(len(DATA), f"{number:016x}"), 0, DATA)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.finished()) == 8


def test_one_receiver_a_folder_and_one_a_port(tmp_path: Path, receiver: Receiver) -> None:
    with pytest.raises(StorageFault, match="another receiver"):
        Receiver(tmp_path / "in").start()
    port = int(receiver.address.split(":")[1])
    with pytest.raises(NetworkFault, match="cannot listen"):
        Receiver(tmp_path / "other", port=port).start()


def test_an_invalid_certificate(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    with pytest.raises(ConfigError, match="certificate"):
        Receiver(tmp_path / "in", certificate=nothing, private_key=nothing).start()


# On disk


def uploads(folder: Path, clock: SimulatedClock, **limits: float) -> Uploads:
    return Uploads(folder, limits=Limits(**limits), clock=clock)  # type: ignore[arg-type]


def test_an_abandoned_upload_expires_and_its_bytes_go(tmp_path: Path) -> None:
    clock = SimulatedClock()
    store = uploads(tmp_path, clock, expire_seconds=60)
    upload = store.create(10, {}, "")
    clock.advance(61)
    assert store.get(upload.id) is None
    store.recover()
    assert [path.name for path in (tmp_path / ".uploads").iterdir()] == ["lock"]


def test_unfinished_uploads_are_limited(tmp_path: Path) -> None:
    store = uploads(tmp_path, SimulatedClock(), max_open=2)
    store.create(10, {}, "")
    store.create(10, {}, "")
    with pytest.raises(Refused, match="unfinished"):
        store.create(10, {}, "")


def test_a_crash_before_the_final_rename_is_recovered(tmp_path: Path) -> None:
    clock = SimulatedClock()
    store = uploads(tmp_path, clock)
    upload = store.create(3, {"release": RELEASE}, "")
    with store.append(upload) as part:
        part.write(b"abc")
    finished, offset = store.advance(upload)
    assert (finished.name, offset) == (f"{RELEASE}.age", 3)
    (tmp_path / finished.name).rename(tmp_path / ".uploads" / f"{upload.id}.part")
    store.close()
    again = uploads(tmp_path, clock)
    assert [path.read_bytes() for path in again.folder.glob("*.age")] == [b"abc"]


def test_an_upload_with_a_damaged_json_file_is_unknown(tmp_path: Path) -> None:
    store = uploads(tmp_path, SimulatedClock())
    upload = store.create(3, {}, "")
    (tmp_path / ".uploads" / f"{upload.id}.json").write_text("{")
    assert store.get(upload.id) is None


@given(st.text())
def test_any_metadata_header_is_parsed_or_refused(header: str) -> None:
    try:
        metadata = parse_metadata(header)
    except Refused:
        return
    assert all(metadata)


def test_metadata_that_cannot_be_read_is_refused_with_the_reason() -> None:
    for header, why in (
        ("a " + "QUFB" * 5_000, "Upload-Metadata is too long"),
        ("release MDE=,release MDI=", "an empty or repeated key"),
        (" ,release MDE=", "an empty or repeated key"),
        ("release M", "Upload-Metadata 'release' is damaged"),
        ("release /w==", "Upload-Metadata 'release' is damaged"),
    ):
        with pytest.raises(Refused, match=why) as refused:
            parse_metadata(header)
        assert refused.value.rule == "bad-metadata"


def test_a_disk_that_fails_is_said_to_the_sender_and_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> str:
        raise StorageFault(f"{tmp_path}: the disk is full")

    receiver = Receiver(tmp_path / "in", receipt_of=fails)
    receiver.start()
    try:
        sender = Sender(receiver)
        path = sender.create(3)
        sender.send(path, 0, b"abc")
        assert sender.ask("GET", f"{path}.receipt").status == 507
        monkeypatch.setattr(Uploads, "create", fails)
        assert sender.ask("POST", "/files/", Upload_Length="3").status == 507
    finally:
        receiver.stop()
    assert caplog.text.count("the disk is full") == 2


def test_metadata_as_senders_write_it() -> None:
    assert parse_metadata("filename eC5hZ2U=,release MDE=,empty") == {
        "filename": "x.age",
        "release": "01",
        "empty": "",
    }


# Announcements that come again, damage, and removal


def announced(sender: Sender, data: bytes, *, sha256: str = "", release: str = RELEASE) -> str:
    """Create an upload as a camera does; its path."""
    sha256 = sha256 or hashlib.sha256(data).hexdigest()
    pairs = {"release": release, "sha256": sha256}
    encoded = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items())
    answer = sender.ask("POST", "/files/", Upload_Length=str(len(data)), Upload_Metadata=encoded)
    assert answer.status == 201
    return answer.headers["Location"]


def test_an_announcement_that_comes_again_is_the_upload_of_before(
    receiver: Receiver, sender: Sender, tmp_path: Path
) -> None:
    """The answer to the first was lost, and its sender does not know the URL."""
    path = announced(sender, DATA)
    assert announced(sender, DATA) == path
    sender.send(path, 0, DATA[:60_000])
    assert announced(sender, DATA) == path, "with what it has"
    assert sender.offset(path) == 60_000
    sender.send(path, 60_000, DATA[60_000:])
    assert announced(sender, DATA) == path, "and it stays finished"
    assert sender.offset(path) == len(DATA)
    assert len(list((tmp_path / "in" / ".uploads").glob("*.json"))) == 1
    assert [file.read_bytes() for file in receiver.finished()] == [DATA]


@pytest.mark.parametrize("changed", ["size", "sha256", "release"])
def test_another_bundle_is_another_upload(sender: Sender, changed: str) -> None:
    """Nobody who knows the release alone, as a broker does, learns the URL."""
    path = announced(sender, DATA)
    other = {
        "size": lambda: announced(sender, DATA + b"x", sha256=hashlib.sha256(DATA).hexdigest()),
        "sha256": lambda: announced(sender, DATA, sha256="0" * 64),
        "release": lambda: announced(sender, DATA, release="f" * 16),
    }[changed]()
    assert other != path


def test_an_announcement_without_a_digest_is_always_a_new_upload(sender: Sender) -> None:
    assert sender.create(10) != sender.create(10)


def test_bytes_that_were_not_announced_are_dropped_and_may_be_sent_again(
    receiver: Receiver, sender: Sender
) -> None:
    path = announced(sender, DATA)
    damaged = DATA[:500] + DATA[400:-100]
    assert sender.send(path, 0, damaged).status == 460
    assert receiver.finished() == []
    assert sender.offset(path) == 0
    assert sender.send(path, 0, DATA).status == 204
    assert [file.read_bytes() for file in receiver.finished()] == [DATA]


def test_an_unfinished_upload_is_removed_and_a_finished_one_stays(
    receiver: Receiver, sender: Sender, tmp_path: Path
) -> None:
    path = announced(sender, DATA)
    sender.send(path, 0, DATA[:60_000])
    assert sender.ask("DELETE", path).status == 204
    assert sender.ask("DELETE", path).status == 404
    assert sender.ask("HEAD", path).status == 404
    assert [file.name for file in (tmp_path / "in" / ".uploads").iterdir()] == ["lock"]
    path = announced(sender, DATA)
    sender.send(path, 0, DATA)
    assert sender.ask("DELETE", path).status == 403
    assert [file.read_bytes() for file in receiver.finished()] == [DATA]


def test_an_upload_that_never_gets_a_byte_expires_after_a_day(tmp_path: Path) -> None:
    clock = SimulatedClock()
    store = uploads(tmp_path, clock)
    empty, begun = store.create(10, {}, ""), store.create(10, {}, "")
    with store.append(begun) as part:
        part.write(b"abc")
    store.advance(begun)
    clock.advance(86_401)
    assert store.get(empty.id) is None
    assert store.get(begun.id) is not None
