"""The certificate that signs for itself, as today's and tomorrow's TLS clients see it."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path

import pytest

from agent import tls
from agent.cli.setup import certificate
from agent.errors import ConfigError
from tests.peers.certificates import Authority

NAMES = ["pi.local", "pi", "192.0.2.7", "127.0.0.1", "::1"]


def shakes_hands(pem: bytes, key: bytes, folder: Path, name: str, *, strict: bool) -> None:
    (folder / "own.pem").write_bytes(pem + key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "own.pem")
    client = tls.trusting_text(pem.decode())
    if strict:  # the default from Python 3.13 on
        client.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    (
        to_client,
        to_server,
    ) = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version() == "TLSv1.3"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_clients_that_trust_it_alone_reach_each_of_its_names(
    tmp_path: Path, name: str, strict: bool
) -> None:
    pem, key = certificate.make(NAMES, now=time.time())
    shakes_hands(pem, key, tmp_path, name, strict=strict)


def test_another_name_is_refused(tmp_path: Path) -> None:
    pem, key = certificate.make(["pi.local"], now=time.time())
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shakes_hands(pem, key, tmp_path, "elsewhere.local", strict=False)


def test_one_that_an_authority_has_issued_is_not_trusted_alone(tmp_path: Path) -> None:
    issued = Authority(tmp_path / "ca").issue("127.0.0.1").certificate_file.read_text()
    pem, _ = certificate.make(["pi"], now=time.time())
    assert certificate.signs_for_itself(pem.decode())
    assert not certificate.signs_for_itself(issued)
    assert not certificate.signs_for_itself("nothing")


@pytest.mark.parametrize("text", ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_text_that_holds_no_certificate_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="no certificates"):
        tls.trusting_text(text)


def test_the_names_hold_for_a_host_without_a_dot() -> None:
    pem, _ = certificate.make([socket.gethostname()[:200], "x" * 80], now=time.time())
    assert certificate.signs_for_itself(pem.decode())
