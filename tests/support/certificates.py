"""Certificates for servers on this machine, and the authority that signs them."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path


_SIGNING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificates:
    """Files in PEM: the authority, and a certificate with its key, good for a server at 127.0.0.1 and for a client."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, *, strict: bool = True) -> Certificates:
    """Write an authority and a certificate that it signs into *folder*.

    Args:
        folder: the folder that the files are written to.
        strict: whether they have all extensions that RFC 5280 demands; certificates made by hand often lack some.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _builder("test authority", "test authority", authority_key.public_key())
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = _builder("127.0.0.1", "test authority", key.public_key())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = certificate.add_extension(names, critical=False)
    if strict:
        public = authority_key.public_key()
        authority = authority.add_extension(_SIGNING, critical=True)
        authority = authority.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
        certificate = certificate.add_extension(issuer, critical=False)
    found = Certificates(authority=folder / "ca.crt", certificate=folder / "own.cert", key=folder / "own.key")
    _write(found.authority, authority.sign(authority_key, hashes.SHA256()))
    _write(found.certificate, certificate.sign(authority_key, hashes.SHA256()))
    plain = serialization.NoEncryption()
    found.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return found


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return x509.CertificateBuilder(
        subject_name=_name(subject),
        issuer_name=_name(issuer),
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - dt.timedelta(days=1),
        not_valid_after=now + dt.timedelta(days=1),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
