"""Certificates to trust for one registry, beyond the machine's own authorities.

Specs: containers-certs.d(5), and Docker's "Verify repository client with certificates".
"""

from __future__ import annotations

import ssl
from pathlib import Path

from pytest_alpine.errors import ImageError


def certificate_folders(host: str) -> list[Path]:
    """Return the folders that may hold certificates for *host* (with its port), the user's own first."""
    user = Path.home() / ".config"
    parents = (user / "containers", user / "docker", Path("/etc/containers"), Path("/etc/docker"))
    return [parent / "certs.d" / host for parent in parents]


def tls_context(host: str) -> ssl.SSLContext | None:
    """Return what to trust of *host*: its ``*.crt``, and its client certificates ``*.cert`` with ``*.key``.

    Returns:
        None where no folder holds anything for this host.

    Raises:
        ImageError: a certificate cannot be read.
    """
    files = [file for folder in certificate_folders(host) if folder.is_dir() for file in sorted(folder.iterdir())]
    if not files:
        return None
    context = ssl.create_default_context()
    # Python 3.13 is stricter about the form of an authority's certificate than engines are.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for file in files:
        try:
            if file.suffix == ".crt":
                context.load_verify_locations(file)
            elif file.suffix == ".cert":
                context.load_cert_chain(file, file.with_suffix(".key"))
        except OSError as error:  # ssl.SSLError too
            raise ImageError(f"{file}: not a readable certificate: {error.strerror or error}") from error
    return context
