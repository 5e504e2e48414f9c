"""Certificates and keys for administration over TLS, as `openssl req -x509` makes them, in two PEM files."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["TlsPair", "make_pair"]

# Valid for the machine's own clock, by which TLS is checked, and for the clock that tests move by hand.
BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TlsPair:
    """Two files that belong together; who is to believe the certificate is given `cert`."""

    cert: Path
    key: Path

    @property
    def settings(self) -> dict[str, str | None]:
        """As `quorate host set` takes them."""
        return {"admin-tls-cert": str(self.cert), "admin-tls-key": str(self.key)}


def make_pair(
    folder: Path,
    name: str = "admin",
    names: Sequence[str] = ("localhost", "127.0.0.1"),
    begin: datetime = BEGIN,
    end: datetime = END,
    curve: ec.EllipticCurve | None = None,
) -> TlsPair:
    """A self-signed certificate for these names and addresses, and its key."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pair = TlsPair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    pair.key.chmod(0o600)
    return pair


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
