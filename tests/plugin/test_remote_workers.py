"""xdist's workers on another machine: a second one as far as ssh and the processor's name can tell."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.testbed import Testbed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bed.far import FarEngine

MIRROR = Testbed.current().mirror
CHECKS = """
import os
import platform

def test_far(alpine_container, alpine_image):
    assert "SSH_CONNECTION" in os.environ
    assert os.getcwd() == {cwd!r}
    assert platform.machine() == "i686"
    assert str(alpine_container.platform) == "linux/amd64"
    assert str(alpine_image.store.root) == {store!r}
    alpine_container.run("echo failing; exit 3", check=True)
"""


@pytest.mark.docker
@pytest.mark.far
@pytest.mark.skipif(shutil.which("setarch") is None, reason="setarch is not installed")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the processor does not pass for another")
def test_a_worker_behind_ssh(pytester: pytest.Pytester, far_engine: FarEngine, tmp_path: Path) -> None:
    there, store = tmp_path / "there", tmp_path / "store there"
    pytester.makeini(f"[pytest]\nalpine_image = minirootfs:{MIRROR}\nalpine_tags = latest")
    pytester.makepyfile(CHECKS.format(cwd=str(there), store=str(store)))
    shutil.copytree(pytester.path, there)
    ssh = f"-F {far_engine.ssh_config} far"
    python = f"setarch i686 {sys.executable}"
    result = pytester.runpytest_subprocess(
        "--dist=loadgroup",
        f"--tx=ssh={ssh}//python={python}//chdir={there}//env:PYTEST_ALPINE_CACHE={store}",
        "--alpine-keep",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*command failed with exit code 3: 'echo failing; exit 3'*", "E * failing"])
    (line,) = [line for line in result.outlines if line.startswith("ssh -t ")]
    enter, _, remove = line.partition("    (to remove it: ")
    assert shlex.split(enter)[2:5] == shlex.split(ssh)
    asked = subprocess.run(
        ["sh", "-c", remove.removesuffix(")").replace("ssh -t", "ssh")], check=False, capture_output=True, text=True
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip() == enter.split()[-2]
