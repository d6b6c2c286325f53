"""The sources of the images: a mirror in a folder, Alpine's own mirror over HTTP, else the stand-in."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

from tests.bed import apt, mirror, standin
from tests.bed.platforms import ARCHES, Arch
from tests.bed.state import ROOT, BedError, State, folder

VARIABLE = "PYTEST_ALPINE_MIRROR"
STAND_IN = "stand-in"
UPSTREAM = "https://dl-cdn.alpinelinux.org/alpine"
TIMEOUT = (5, 60)  # seconds to connect, seconds between bytes
REMEDY = f"set {VARIABLE} to the folder or the URL of an Alpine mirror"


def up(state: State) -> None:
    """Choose a mirror, and fetch or build it if it does not exist yet.

    ``PYTEST_ALPINE_MIRROR`` names a folder, a URL, or ``stand-in``; by default it is ``../shared/alpine``.

    Raises:
        BedError: no Alpine mirror can be reached, and no stand-in can be built.
    """
    wanted = _wanted()
    _settle(state, wanted, _existing(state, wanted) or _made(wanted))


def problem(state: State) -> str | None:
    """Return why there are no images; None if *state* names a mirror that exists."""
    wanted = _wanted()
    found = _existing(state, wanted)
    if found is None:
        return f"no Alpine images are at hand; run: {apt.UP}"
    _settle(state, wanted, found)
    return None


def _wanted() -> str:
    return os.environ.get(VARIABLE) or str(ROOT.parent / "shared" / "alpine")


def _settle(state: State, wanted: str, chosen: Path) -> None:
    state.wanted, state.mirror = wanted, str(chosen)
    state.official = not (chosen / mirror.STAND_IN).exists() and bool(mirror.known_tarballs(chosen))


def _existing(state: State, wanted: str) -> Path | None:
    """The folder that is wanted, without releases that the tests do not know, or what was made instead of it."""
    path = Path(wanted).expanduser().resolve()
    if wanted != STAND_IN and path.is_dir():
        return mirror.known_alone(path)
    return Path(state.mirror) if state.wanted == wanted and Path(state.mirror).is_dir() else None


def _made(wanted: str) -> Path:
    problems = []
    if wanted != STAND_IN:
        try:
            return fetch(wanted if "://" in wanted else UPSTREAM)
        except BedError as error:
            problems.append(str(error))
    try:
        target = folder() / STAND_IN
        if not target.is_dir():
            standin.build(target)
    except BedError as error:
        raise BedError("; ".join([f"no Alpine mirror at {wanted}", *problems, str(error), REMEDY])) from error
    return target


def fetch(base: str) -> Path:
    """A copy of the known releases on the mirror at *base* (http or https), in the state folder.

    Raises:
        BedError: it cannot be reached, or a file is not what its checksum says.
    """
    target = folder() / f"mirror-{hashlib.sha256(base.encode()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    folder().mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".mirror-", dir=folder()))
    wanted = [(release, arch) for release in mirror.KNOWN for arch in ARCHES.values() if arch.apk in release.arches]
    try:
        first = _fetch_one(base, scratch, *wanted[0])  # an unreachable host must fail once, not 31 times
        with ThreadPoolExecutor(max_workers=8) as pool:
            found = [first, *pool.map(lambda pair: _fetch_one(base, scratch, *pair), wanted[1:])]
        if not all(found):
            raise BedError(f"{base} lacks {found.count(False)} of the {len(found)} files the tests know")
        (scratch / mirror.LATEST).write_text(mirror.KNOWN_LATEST + "\n")
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _fetch_one(base: str, root: Path, release: mirror.Known, arch: Arch) -> bool:
    """Fetch one root filesystem; return False if the mirror has none for this architecture."""
    url = f"{base}/{release.branch}/releases/{arch.apk}/{mirror.file_name(release, arch)}"
    tarball, checksum = _get(url), _get(f"{url}.sha512")
    if tarball is None or checksum is None:
        return False
    if hashlib.sha512(tarball).hexdigest() != checksum.decode().split()[0]:
        raise BedError(f"{url}: the file is not what {url}.sha512 says")
    mirror.add(root, release, arch, tarball)
    return True


def _get(url: str) -> bytes | None:
    import requests

    try:
        answer = requests.get(url, timeout=TIMEOUT)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        answer.raise_for_status()
    except requests.RequestException as error:
        raise BedError(f"cannot fetch {url}: {error}") from error
    return answer.content
