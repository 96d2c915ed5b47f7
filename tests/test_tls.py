"""Trust in the certificates of the named file, and in no others."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from agent.tls import trusting
from tests.peers.certificates import Authority

ADDRESS = "127.0.0.1"


def shake_hands(client: ssl.SSLContext, authority: Authority, name: str) -> None:
    """A TLS handshake in memory with a server of ``authority``; raises ssl.SSLError."""
    certificate = authority.issue(ADDRESS)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.certificate_file, certificate.key_file)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [ours, theirs]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)


@pytest.fixture
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's defaults of 3.13, on any Python."""
    make = ssl.create_default_context

    def strict(*, cafile: str | None) -> ssl.SSLContext:
        context = make(cafile=cafile)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


@pytest.mark.usefixtures("_strict")
@pytest.mark.parametrize("plain", [False, True])
def test_a_pinned_authority_without_key_usage_is_trusted_also_by_python_3_13(
    tmp_path: Path, plain: bool
) -> None:
    authority = Authority(tmp_path, plain=plain)
    shake_hands(trusting(authority.ca_file), authority, ADDRESS)


def test_python_3_13_would_refuse_such_an_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path, plain=True)
    strict = trusting(authority.ca_file)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(strict, authority, ADDRESS)


@pytest.mark.usefixtures("_strict")
def test_the_systems_authorities_are_held_to_the_standard(tmp_path: Path) -> None:
    assert trusting(None).verify_flags & ssl.VERIFY_X509_STRICT
    assert not trusting(Authority(tmp_path).ca_file).verify_flags & ssl.VERIFY_X509_STRICT


def test_another_authority_and_another_name_are_refused(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(trusting(ours.ca_file), other, ADDRESS)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(trusting(ours.ca_file), ours, "127.0.0.2")
