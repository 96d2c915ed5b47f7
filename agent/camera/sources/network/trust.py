"""The certificate that a camera must show before it gets a password (``rtsps``, ``https``).

FFmpeg checks none by default, and PyAV's build of it looks for the system's in a place that
Debian does not have, so both are always set. URLs that it opens by itself, as the pieces of
an HLS playlist, get the password unchecked; hence a list of formats without such URLs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.config.yamlfile import read_text
from agent.errors import ConfigError

_SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")
_BEGINS = "-----BEGIN CERTIFICATE-----"
_STREAMS = "mpegts,flv,live_flv,mov,mp4,matroska,webm,h264,hevc,avi,asf,mjpeg,mpjpeg,ogg"


@dataclass(frozen=True, slots=True)
class Trust:
    """The trusted certificates; ``name`` is the one in it, None means the URL's host."""

    ca_file: Path | None = None
    name: str | None = None
    verify: bool = True

    @property
    def authorities(self) -> Path:
        """The file of trusted certificates."""
        return self.ca_file or _SYSTEM

    def options(self, scheme: str) -> dict[str, str]:
        """FFmpeg's options for a URL of this ``scheme``."""
        if not self.verify:
            return {"tls_verify": "0"}
        options = {"tls_verify": "1", "ca_file": str(self.authorities)}
        if self.name is not None:
            options["verifyhost"] = self.name
        if scheme == "https":
            options["format_whitelist"] = _STREAMS
        return options


def read_trust(ca_file: Path | None, name: str | None, *, verify: bool) -> Trust:
    """The same, checked for a certificate in the file. Raises :class:`ConfigError`."""
    if ca_file is not None and _BEGINS not in read_text(ca_file):
        raise ConfigError(
            f"{ca_file}: holds no certificate", advice=f"It must be PEM, beginning with {_BEGINS}"
        )
    return Trust(ca_file, name, verify)
