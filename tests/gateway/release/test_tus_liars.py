"""Receivers that lie, redirect, drip or answer nonsense."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

from agent.errors import NetworkFault, ReceiverFault, ReceiverRefused
from agent.gateway.release.tus_client import TusClient
from tests.support.fake_receiver import FakeReceiver, answer
from tests.support.tus import create, head, new_client, patch


def refusal(call: Callable[[TusClient, str], object], reply: bytes) -> str:
    """The rule by which ``call`` is refused when the receiver says ``reply``."""
    with FakeReceiver(reply) as fake, pytest.raises(ReceiverRefused) as refused:
        call(new_client(), fake.url)
    return refused.value.rule


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1/files/1",
        "http://127.0.0.1:1/files/1",
        "http://127.0.0.2/files/1",
        "//127.0.0.1/1",
    ],
)
def test_an_upload_may_not_move_to_another_origin(location: str) -> None:
    assert refusal(create, answer(201, Location=location)) == "other-origin"


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example/1",
        "file:///etc/passwd",
        "ftp://127.0.0.1/1",
        "http://user@127.0.0.1/1",
        "http://[::1",
        "/a b",
        "/\u00e9".encode().decode("latin-1"),
        "http://127.0.0.1:99999/1",
    ],
)
def test_an_unsafe_location_is_refused(location: str) -> None:
    assert refusal(create, answer(201, Location=location)) == "unsafe-url"


@pytest.mark.parametrize("reply", [answer(201), answer(201, Location="/" + "a" * 3_000)])
def test_a_creation_without_a_place_is_refused(reply: bytes) -> None:
    assert refusal(create, reply) == "unexpected-answer"


@pytest.mark.parametrize("call", [create, head, patch])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(
    call: Callable[[TusClient, str], object], status: int
) -> None:
    with FakeReceiver(answer(201, Location="/1")) as elsewhere:
        reply = answer(status, Location=elsewhere.url)
        with FakeReceiver(reply) as fake, pytest.raises(ReceiverFault, match=str(status)):
            call(new_client(), fake.url)
    assert elsewhere.requests == []


FAILURES = [*range(300, 309), *range(400, 430), 431, 451, 460, *range(500, 512), 520, 599]


@pytest.mark.parametrize("tus", [True, False])
@pytest.mark.parametrize("call", [create, head, patch])
def test_no_failure_is_final_since_a_proxy_that_restarts_may_have_said_it(
    call: Callable[[TusClient, str], object], tus: bool
) -> None:
    statuses = [
        status for status in FAILURES if not (call is head and status in (404, 410) and tus)
    ]
    client = new_client()
    with FakeReceiver(*(answer(status, tus=tus) for status in statuses)) as fake:
        for status in statuses:
            with pytest.raises(ReceiverFault) as fault:
                call(client, fake.url)
            assert fault.value.status == status


def test_a_receiver_of_another_version_is_refused_and_a_proxy_that_says_412_is_not() -> None:
    assert refusal(create, answer(412, Tus_Version="0.2.2")) == "other-version"
    for versions in ("", "1.0.0", "1.1.0, 1.0.0"):
        with FakeReceiver(answer(412, Tus_Version=versions)) as fake, pytest.raises(ReceiverFault):
            create(new_client(), fake.url)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"Retry_After": "120"}, 120.0),
        ({"Retry_After": "soon"}, 0.0),
        ({"Retry_After": "-5"}, 0.0),
        ({"Retry_After": "Mon, 30 Nov 2026 10:05:00 GMT"}, 0.0),
        (
            {
                "Retry_After": "Mon, 30 Nov 2026 10:05:00 GMT",
                "Date": "Mon, 30 Nov 2026 10:03:30 GMT",
            },
            90.0,
        ),
        (
            {
                "Retry_After": "Mon, 30 Nov 2026 10:05:00 GMT",
                "Date": "Mon, 30 Nov 2026 11:00:00 GMT",
            },
            0.0,
        ),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(
    headers: dict[str, str], seconds: float
) -> None:
    reply = answer(503, b"", tus=True, **headers)
    with FakeReceiver(reply) as fake, pytest.raises(ReceiverFault) as fault:
        create(new_client(), fake.url)
    assert fault.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        (create, answer(201, tus=False, Location="/1")),
        (head, answer(200, tus=False, Upload_Offset="0", Upload_Length="10")),
        (patch, answer(204, tus=False, Upload_Offset="6")),
        (patch, answer(204, tus=False, Tus_Resumable="0.2.2", Upload_Offset="6")),
    ],
)
def test_a_success_without_tus_is_no_success_and_may_pass(
    call: Callable[[TusClient, str], object], reply: bytes
) -> None:
    with FakeReceiver(reply) as fake, pytest.raises(ReceiverFault, match="without tus"):
        call(new_client(), fake.url)


@pytest.mark.parametrize("text", ["", "x", "-1", "5, 5", "0x5", "5.0", "\u0665", "9" * 17])
def test_an_offset_that_is_no_number_is_refused(text: str) -> None:
    wire = text.encode("utf-8").decode("latin-1")
    reply = answer(200, Upload_Offset=wire, Upload_Length="10")
    assert refusal(head, reply) == "no-offset"
    assert refusal(patch, answer(204, Upload_Offset=wire)) == "no-offset"


@pytest.mark.parametrize("offset", ["7", "10", "11"])
def test_a_receiver_cannot_have_more_than_ever_went_out(offset: str) -> None:
    assert refusal(patch, answer(204, Upload_Offset=offset)) == "offset-beyond"


@pytest.mark.parametrize("offset", ["7", "10"])
def test_a_receiver_that_claims_more_than_ever_went_out_has_lost_the_upload(offset: str) -> None:
    with FakeReceiver(answer(200, Upload_Offset=offset, Upload_Length="10")) as fake:
        assert head(new_client(), fake.url) is None


def test_a_receiver_cannot_have_more_than_the_whole_upload() -> None:
    assert refusal(head, answer(200, Upload_Offset="11", Upload_Length="10")) == "offset-beyond"


def test_a_receiver_that_forgot_is_believed_when_asked() -> None:
    with FakeReceiver(answer(200, Upload_Offset="1", Upload_Length="10")) as fake:
        assert head(new_client(), fake.url) == 1


def test_an_answer_to_a_chunk_cannot_go_backwards() -> None:
    assert refusal(patch, answer(204, Upload_Offset="3")) == "offset-backwards"


def test_what_comes_late_to_a_request_that_failed_is_no_answer_to_the_next() -> None:
    """A proxy that said a request twice: both are answered, one after the other."""
    said = threading.Event()

    def twice(connection: socket.socket) -> None:
        head = answer(409).replace(b"Connection: close\r\n", b"")
        connection.sendall(head)
        said.wait(60)
        with contextlib.suppress(OSError):
            connection.sendall(answer(204, Upload_Offset="6"))

    with FakeReceiver(twice, answer(204, Upload_Offset="5")) as fake:
        client = new_client()
        with pytest.raises(ReceiverFault):
            patch(client, fake.url)
        said.set()
        assert patch(client, fake.url) == 5


def test_a_chunk_taken_in_part_is_progress_and_one_not_taken_a_fault() -> None:
    with FakeReceiver(answer(204, Upload_Offset="5"), answer(204, Upload_Offset="4")) as fake:
        assert patch(new_client(), fake.url) == 5
        with pytest.raises(NetworkFault, match="took nothing"):
            patch(new_client(), fake.url)


@pytest.mark.parametrize("length", ["11", "9", "", "x"])
def test_an_upload_of_another_length_is_not_ours(length: str) -> None:
    reply = answer(200, Upload_Offset="0", Upload_Length=length)
    assert refusal(head, reply) == "wrong-length"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 204 Ok\r\nTus-Resumable: 1.0.0\r\nUpload-Off",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 204 Ok\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 204 Ok\r\n" + b"X: a\r\n" * 1_000 + b"\r\n",
        b"HTTP/1.1 204" + b"a" * 200_000,
    ],
    ids=["nothing", "cut off", "not HTTP", "huge header", "many headers", "huge status"],
)
def test_a_broken_answer_is_a_network_fault(reply: bytes) -> None:
    with FakeReceiver(reply) as fake, pytest.raises(NetworkFault) as fault:
        patch(new_client(), fake.url)
    assert "\n" not in str(fault.value)
    assert len(str(fault.value)) < 300


def test_an_endless_body_is_not_read_to_its_end() -> None:
    def endless(connection: socket.socket) -> None:
        head = answer(204, Upload_Offset="6").replace(b" 204 ", b" 200 ")
        connection.sendall(head.replace(b"Connection: close", b"Content-Length: 99999999999"))
        while True:
            connection.sendall(bytes(65_536))

    with FakeReceiver(endless) as fake, pytest.raises(ReceiverFault):
        patch(new_client(), fake.url)


def test_silence_is_a_network_fault() -> None:
    done = threading.Event()

    def silent(_connection: socket.socket) -> None:
        done.wait(60)

    with FakeReceiver(silent) as fake:
        with pytest.raises(NetworkFault, match="no answer in time"):
            patch(new_client(timeout_seconds=0.1), fake.url)
        done.set()


def test_an_answer_that_drips_is_cut_off() -> None:
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 204 Ok\r\nX: ")
        while not done.wait(0.02):
            connection.sendall(b"a")

    with FakeReceiver(drip) as fake:
        with pytest.raises(NetworkFault):
            patch(new_client(timeout_seconds=0.1), fake.url)
        done.set()
