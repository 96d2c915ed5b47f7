"""A certificate that signs for itself, for the broker's TLS listener on this machine."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAYS: Final = 3_650
_EARLIER: Final = datetime.timedelta(days=1)  # a clock that is not set yet


def make(names: Sequence[str], *, now: float) -> tuple[bytes, bytes]:
    """Certificate and private key, both PEM, valid for ten years and for ``names``.

    The first name is the subject's. Addresses (192.0.2.1) count as such.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    begin = datetime.datetime.fromtimestamp(now, datetime.UTC) - _EARLIER
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,  # Python 3.13 refuses a self-signed certificate without it
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def signs_for_itself(pem: str) -> bool:
    """Tell if the first certificate in ``pem`` is its own issuer: a client can trust it alone."""
    try:
        first = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return False
    return first.issuer == first.subject


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
