"""Types of fields, and the base of all statements."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

MAX_STATEMENT_BYTES = 16_384  # public posts and owners' decisions
MAX_REPORT_BYTES = 262_144  # reports of a device: a whole request, and lists of clips

Fingerprint = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]  # RFC 7638 thumbprint
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]  # SHA-256, hexadecimal
Jti = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{16,64}\Z")]
ClipId = Annotated[str, Meta(pattern=r"\A[0-9]{8}-[0-9]{6}-[0-9a-f]{6}\Z")]
ComputerId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
ReleaseId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Moment = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # to the end of the year 9999
Milliseconds = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]  # a Moment to the thousandth
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
_ONE_LINE = r"\A[^\n]*\Z"  # a line shown to people must not fake the next one
Name = Annotated[str, Meta(max_length=120, pattern=_ONE_LINE)]
Line = Annotated[str, Meta(max_length=200, pattern=_ONE_LINE)]
Text = Annotated[str, Meta(max_length=4_000)]
Url = Annotated[str, Meta(max_length=500, pattern=_ONE_LINE)]
RuleName = Annotated[str, Meta(pattern=r"\A([a-z0-9]+(-[a-z0-9]+)*)?\Z", max_length=60)]
Base64 = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z", max_length=8_192)]
AgeRecipient = Annotated[str, Meta(pattern=r"\Aage1[02-9ac-hj-np-z]{58}\Z")]
PublicKeyText = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]  # 32 bytes, base64url

Longitude = Annotated[float, Meta(ge=-180, le=180)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Position = tuple[Longitude, Latitude]
Ring = Annotated[tuple[Position, ...], Meta(min_length=4, max_length=100)]


class Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A piece of a statement: immutable, no unknown fields."""


class Statement(Part, frozen=True):
    """Common to all statements: signer, id, and time of issue."""

    TYP: ClassVar[str]
    MAX_BYTES: ClassVar[int] = MAX_STATEMENT_BYTES

    iss: Fingerprint
    jti: Jti
    iat: Moment


class LedgerHead(Part, frozen=True):
    """The ledger's lines and the root of the Merkle tree over them (RFC 6962)."""

    size: Count
    root: Digest

    def __str__(self) -> str:
        return f"{self.size}:{self.root}"


class ConsistencyProof(Part, frozen=True):
    """The ledger's growth from a head that an owner acknowledged (RFC 9162, 2.1.4)."""

    from_size: Count
    path: Annotated[tuple[Digest, ...], Meta(max_length=63)]


Proofs = Annotated[tuple[ConsistencyProof, ...], Meta(max_length=32)]
