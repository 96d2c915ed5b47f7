"""TLS settings for the broker and for uploads."""

from __future__ import annotations

import ssl
from pathlib import Path

from agent.errors import ConfigError


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or later that trusts ``ca_file`` (PEM) alone, or the system when None.

    Certificates and host names are always checked. A ``ca_file`` need not follow RFC 5280 to the
    letter: what people make with a common recipe has no key usage, which Python 3.13 refuses.
    Raises :class:`ConfigError`.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise ConfigError(f"{ca_file}: holds no certificates that can be used") from error
    if ca_file is not None:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def trusting_text(pem: str) -> ssl.SSLContext:
    """The same with the certificates in ``pem`` alone. Raises :class:`ConfigError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (OSError, ValueError) as error:
        raise ConfigError("the text holds no certificates that can be used") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def trusting_anybody() -> ssl.SSLContext:
    """TLS that checks no certificate: for a pairing alone, which protects itself.

    It keeps away those who only listen, and needs no certificate that nobody has yet.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
