"""Credentials of the secure registry: a certificate authority, a certificate for loopback, a user with a password."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bed import apt
from tests.bed.state import BedError

if TYPE_CHECKING:
    from collections.abc import Callable

USERNAME = "tester"
# Ten years: the files live as long as the state folder does.
CA = "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=pytest-alpine-testbed -keyout ca.key -out ca.crt"
CA_EXTENSIONS = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
REQUEST = "req -new -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr"
SIGN = (
    "x509 -req -days 3650 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile server.ext -out server.crt"
)
SERVER_EXTENSIONS = """\
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage={usage}
subjectAltName=IP:127.0.0.1,DNS:localhost
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """Where the certificates are (PEM files), and how to log in."""

    ca: Path
    certificate: Path
    key: Path
    htpasswd: Path
    username: str
    password: str = field(repr=False)


def credentials(folder: Path) -> Credentials:
    """Return the credentials in *folder*; creates them at first use.

    Raises:
        BedError: ``openssl`` or ``htpasswd`` is missing or fails.
    """
    make_whole(folder, make_certificates, _make_password)
    return Credentials(
        ca=folder / "ca.crt",
        certificate=folder / "server.crt",
        key=folder / "server.key",
        htpasswd=folder / "htpasswd",
        username=USERNAME,
        password=(folder / "password").read_text(),
    )


def make_whole(folder: Path, *steps: Callable[[Path], None]) -> None:
    """Create *folder* if it is missing. The *steps* fill a folder beside it, which is then renamed in one step."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for step in steps:
            step(scratch)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def make_certificates(folder: Path, usage: str = "serverAuth") -> None:
    """Write an authority (``ca.crt``) and a certificate for loopback (``server.crt``, ``server.key``).

    Raises:
        BedError: ``openssl`` is missing or fails.
    """
    openssl = apt.require("openssl", "openssl")
    (folder / "server.ext").write_text(SERVER_EXTENSIONS.format(usage=usage))
    extensions = [word for extension in CA_EXTENSIONS for word in ("-addext", extension)]
    for command in ([*CA.split(), *extensions], REQUEST.split(), SIGN.split()):
        run([openssl, *command], folder)


def _make_password(folder: Path) -> None:
    # The registry accepts only bcrypt (-B). Standard input hides the password from the process list.
    password = secrets.token_urlsafe(18)
    htpasswd = apt.require("htpasswd", "apache2-utils")
    (folder / "htpasswd").write_text(run([htpasswd, "-Bin", USERNAME], folder, password))
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text(password)


def run(command: list[str], folder: Path, text: str = "") -> str:
    """Run *command* in *folder* and return what it writes; BedError if it fails."""
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BedError(f"{' '.join(command)} failed with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
