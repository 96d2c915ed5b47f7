"""Uploads: against a real tus server through cuts and crashes, and against liars."""

from __future__ import annotations

import base64
import random
import socket
from pathlib import Path

import pytest

from agent.errors import ClipDamaged, ConfigError, NetworkFault, ReceiverRefused
from agent.gateway.release.chunk import Chunk, Interrupted
from agent.gateway.release.tus_client import TusClient
from tests.conftest import StartTusServer
from tests.peers.certificates import Authority
from tests.peers.process import free_port
from tests.peers.tls_front import TlsFront
from tests.peers.tus_server import TusServer
from tests.support.fake_receiver import FakeReceiver, answer
from tests.support.tus import new_client

BUNDLE = random.Random(1).randbytes(1_000_000)
SIZE = len(BUNDLE)
CHUNK = 200_000


def send_until(client: TusClient, url: str, offset: int, end: int) -> int:
    while offset < end:
        chunk = BUNDLE[offset : min(offset + CHUNK, end)]
        offset = client.send(url, offset=offset, chunk=chunk, size=SIZE)
    return offset


def test_a_bundle_arrives_byte_for_byte_with_its_metadata(tus_server: TusServer) -> None:
    client = new_client()
    metadata = {"filename": "f\u00fcr Sie.age", "release": "0123456789abcdef"}
    url = client.create(tus_server.url, size=SIZE, metadata=metadata)
    assert client.offset(url, size=SIZE) == 0
    assert send_until(client, url, 0, SIZE) == SIZE
    assert client.offset(url, size=SIZE) == SIZE
    [received] = tus_server.finished()
    assert received.path.read_bytes() == BUNDLE
    assert received.metadata == metadata


def test_after_a_restart_of_the_receiver_it_goes_on_where_it_stopped(
    tus_server: TusServer,
) -> None:
    client = new_client()
    url = client.create(tus_server.url, size=SIZE, metadata={})
    send_until(client, url, 0, 400_000)
    tus_server.kill()
    with pytest.raises(NetworkFault, match="refused"):
        client.send(url, offset=400_000, chunk=b"x", size=SIZE)
    with pytest.raises(NetworkFault):
        client.offset(url, size=SIZE)
    tus_server.start()
    assert client.offset(url, size=SIZE) == 400_000
    send_until(client, url, 400_000, SIZE)
    [received] = tus_server.finished()
    assert received.path.read_bytes() == BUNDLE


def test_after_a_cut_inside_a_chunk_the_offset_tells_where_to_go_on(
    tus_server: TusServer,
) -> None:
    client = new_client()
    url = client.create(tus_server.url, size=SIZE, metadata={})
    cut_off_in_the_middle(url, BUNDLE[:CHUNK], sent=50_000)
    finish(client, url)
    [received] = tus_server.finished()
    assert received.path.read_bytes() == BUNDLE


def finish(client: TusClient, url: str) -> None:
    """Go on from wherever the receiver is; it may still be busy with what was cut off."""
    for _ in range(100):
        offset = client.offset(url, size=SIZE)
        assert offset is not None
        try:
            send_until(client, url, offset, SIZE)
        except NetworkFault:
            continue
        return
    raise AssertionError("the receiver never came to rest")


def cut_off_in_the_middle(url: str, chunk: bytes, *, sent: int) -> None:
    """A PATCH whose connection dies after ``sent`` bytes of its body."""
    host, _, path = url.removeprefix("http://").partition("/")
    address, _, port = host.partition(":")
    with socket.create_connection((address, int(port))) as connection:
        head = (
            f"PATCH /{path} HTTP/1.1\r\nHost: {host}\r\nTus-Resumable: 1.0.0\r\n"
            f"Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
            f"Content-Length: {len(chunk)}\r\n\r\n"
        )
        connection.sendall(head.encode() + chunk[:sent])


def test_a_chunk_at_the_wrong_offset_is_a_network_fault(
    tus_server: TusServer,
) -> None:
    client = new_client()
    url = client.create(tus_server.url, size=SIZE, metadata={})
    send_until(client, url, 0, CHUNK)
    with pytest.raises(NetworkFault, match="409"):
        client.send(url, offset=0, chunk=BUNDLE[:CHUNK], size=SIZE)
    assert client.offset(url, size=SIZE) == CHUNK


def test_an_upload_that_never_was_is_gone(tus_server: TusServer) -> None:
    client = new_client()
    url = f"{tus_server.url}/nothing"
    assert client.offset(url, size=SIZE) is None
    with pytest.raises(NetworkFault, match="404"):
        client.send(url, offset=0, chunk=b"x", size=SIZE)


def test_an_expired_upload_is_gone(start_tus_server: StartTusServer) -> None:
    client = new_client()
    receiver = start_tus_server(expires_milliseconds=1)
    url = client.create(receiver.url, size=SIZE, metadata={})
    assert client.offset(url, size=SIZE) is None


def test_https_works_with_the_receivers_own_authority_and_with_no_other(
    start_tus_server: StartTusServer, tmp_path: Path
) -> None:
    ours, another = Authority(tmp_path / "ours"), Authority(tmp_path / "another")
    receiver = start_tus_server(certificate=ours.issue("127.0.0.1"))
    client = new_client(ca_file=ours.ca_file, loopback=False)
    url = client.create(receiver.url, size=SIZE, metadata={})
    assert url.startswith("https://")
    send_until(client, url, 0, SIZE)
    assert [upload.path.read_bytes() for upload in receiver.finished()] == [BUNDLE]

    for deceived in (new_client(ca_file=another.ca_file), new_client()):
        with pytest.raises(NetworkFault, match=r"TLS failed \(.*certificate"):
            deceived.create(receiver.url, size=SIZE, metadata={})
    assert len(receiver.uploads()) == 1


def test_a_certificate_for_another_host_is_not_accepted(
    start_tus_server: StartTusServer, tmp_path: Path
) -> None:
    ours = Authority(tmp_path / "ours")
    receiver = start_tus_server(certificate=ours.issue("127.0.0.2"))
    with pytest.raises(NetworkFault, match="TLS failed"):
        new_client(ca_file=ours.ca_file).create(receiver.url, size=SIZE, metadata={})


def test_an_unusable_ca_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none"):
        new_client(ca_file=tmp_path / "none")


def test_a_chunk_that_is_interrupted_is_kept_as_far_as_it_came(
    tus_server: TusServer, tmp_path: Path
) -> None:
    """Its sender may have had to stop, or the disk failed."""
    path, client = tmp_path / "bundle", new_client()
    path.write_bytes(BUNDLE)
    url = client.create(tus_server.url, size=SIZE, metadata={})
    looks = iter([False, False, True])
    stopped = Chunk(path, 0, SIZE, [100_000] * 10, lambda: next(looks))
    with pytest.raises(Interrupted):
        client.send(url, offset=0, chunk=stopped, size=SIZE)
    short = Chunk(path, SIZE - 10, 20, [20], lambda: False)
    with pytest.raises(ClipDamaged, match="too short"):
        client.send(url, offset=0, chunk=short, size=SIZE + 10)
    gone = Chunk(tmp_path / "gone", 0, 20, [20], lambda: False)
    with pytest.raises(ClipDamaged, match="gone"):
        client.send(url, offset=0, chunk=gone, size=SIZE)
    finish(client, url)
    [received] = tus_server.finished()
    assert received.path.read_bytes() == BUNDLE


def test_each_request_says_its_version_and_metadata_is_in_base64() -> None:
    with FakeReceiver(
        answer(201, Location="/files/1?part=2"),
        answer(200, Upload_Offset="0", Upload_Length="10"),
        answer(204, Upload_Offset="3"),
    ) as fake:
        client = new_client()
        url = client.create(fake.url, size=10, metadata={"filename": "a b"})
        assert client.offset(url, size=10) == 0
        assert client.send(url, offset=0, chunk=b"abc", size=10) == 3
    create, head, patch = fake.requests
    assert (create.method, create.target) == ("POST", "/files")
    assert create.headers["upload-length"] == "10"
    assert create.headers["upload-metadata"] == "filename " + base64.b64encode(b"a b").decode()
    assert create.headers["content-length"] == "0"
    assert (head.method, head.target) == ("HEAD", "/files/1?part=2")
    assert (patch.method, patch.body) == ("PATCH", b"abc")
    assert patch.headers["upload-offset"] == "0"
    assert patch.headers["content-type"] == "application/offset+octet-stream"
    assert {request.headers["tus-resumable"] for request in fake.requests} == {"1.0.0"}


@pytest.mark.parametrize("location", ["/files/1", "1", "//127.0.0.1:{port}/1", "{url}/1"])
def test_a_location_may_be_absolute_or_relative(location: str) -> None:
    fake = FakeReceiver()
    where = location.format(port=fake.port, url=fake.url)
    fake.answers = (answer(201, Location=where),)
    with fake:
        url = new_client().create(fake.url, size=1, metadata={})
    assert url.startswith(f"http://127.0.0.1:{fake.port}/")


@pytest.mark.parametrize("location", ["http://127.0.0.1:{port}/1", "http://127.0.0.1/1"])
def test_a_receiver_that_does_not_know_of_the_tls_before_it_is_reached_by_https(
    tmp_path: Path, location: str
) -> None:
    """``@tus/server`` and tuspyserver name their own scheme in the place of an upload."""
    authority = Authority(tmp_path)
    fake = FakeReceiver()
    with TlsFront(fake.port, authority.issue("127.0.0.1")) as front:
        fake.answers = (answer(201, Location=location.format(port=front.port)),)
        with fake:
            client = new_client(ca_file=authority.ca_file, loopback=False)
            url = client.create(f"https://127.0.0.1:{front.port}/files", size=1, metadata={})
    assert url == f"https://127.0.0.1:{front.port}/1"


def test_metadata_that_would_break_the_header_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="cannot be a key"):
        new_client().create("http://127.0.0.1:1/", size=1, metadata={"a b,c": "x"})


@pytest.mark.parametrize(("offset", "chunk"), [(0, b""), (9, b"ab"), (11, b"a")])
def test_a_chunk_outside_the_upload_is_our_mistake(offset: int, chunk: bytes) -> None:
    with pytest.raises(ValueError, match="inside"):
        new_client().send("http://127.0.0.1:1/", offset=offset, chunk=chunk, size=10)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/files",
        "http://localhost:1/files",
        "http://127.0.0.1.example.org/files",
        "https://user:password@example.org/files",
        "https://example.org/files#part",
        "https://",
        "https:///files",
        "example.org/files",
        "https://example.org:0/files",
        "https://example.org/a b",
        "https://example.org/\r\nX: y",
        "https://ex\u00e4mple.org/",
        "https://example.org/" + "a" * 3_000,
    ],
)
def test_only_https_goes_out_and_http_to_loopback_numbers(url: str) -> None:
    with pytest.raises(ReceiverRefused) as refused:
        new_client().create(url, size=1, metadata={})
    assert refused.value.rule == "unsafe-url"


def test_http_to_loopback_needs_to_be_allowed() -> None:
    with pytest.raises(ReceiverRefused) as refused:
        new_client(loopback=False).create("http://127.0.0.1:1/", size=1, metadata={})
    assert refused.value.rule == "unsafe-url"


def test_a_receiver_that_is_away_is_named_in_one_line() -> None:
    port = free_port()
    with pytest.raises(NetworkFault) as fault:
        new_client().create(f"http://127.0.0.1:{port}/", size=1, metadata={})
    assert str(fault.value) == f"127.0.0.1:{port}: Connection refused"


def receipt(url: str, at_most: int = 100) -> bytes | None:
    return new_client().receipt(url, at_most=at_most)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/files/1", "/files/1.receipt"),
        ("/files/1?token=a%20b", "/files/1.receipt?token=a%20b"),
        ("", ".receipt"),
    ],
)
def test_a_receipt_lies_beside_the_upload(path: str, asked: str) -> None:
    with FakeReceiver(answer(200, b"jws", tus=False)) as fake:
        assert receipt(f"http://127.0.0.1:{fake.port}{path or '/files'}") == b"jws"
    (request,) = fake.requests
    assert (request.method, request.target) == ("GET", asked if path else "/files.receipt")


@pytest.mark.parametrize("status", [202, 204, 301, 302, 307, 401, 403, 404, 405, 410, 500, 503])
def test_any_other_answer_means_that_there_is_no_receipt(status: int) -> None:
    body = b"" if status == 204 else b"jws"
    reply = answer(status, body, tus=False, Location="http://127.0.0.1:1/x")
    with FakeReceiver(reply) as fake:
        assert receipt(fake.url) is None


def test_a_receipt_that_is_too_long_is_none() -> None:
    with FakeReceiver(answer(200, b"x" * 101, tus=False)) as fake:
        assert receipt(fake.url) is None


def test_a_receipt_is_not_fetched_from_an_unsafe_address() -> None:
    with pytest.raises(ReceiverRefused):
        receipt("http://example.org/files/1")
