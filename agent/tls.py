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
