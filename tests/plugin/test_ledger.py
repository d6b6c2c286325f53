from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.usefixtures("layout")

ARGS = ("--alpine-image=oci:layout", "--alpine-tag=1.0", "--alpine-platform=all", "--alpine-sizes=sizes.json")


def test_the_ledger_is_written_and_held(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile("def test_x(alpine_image): ...")
    missing = pytester.runpytest_subprocess(*ARGS, *xdist_args)
    assert missing.ret == pytest.ExitCode.TESTS_FAILED
    missing.stdout.fnmatch_lines(["oci:layout:1.0 (linux/a*): not in the ledger; --alpine-update-sizes writes it"])

    assert pytester.runpytest_subprocess(*ARGS, "--alpine-update-sizes", *xdist_args).ret == pytest.ExitCode.OK
    ledger = json.loads((pytester.path / "sizes.json").read_text())
    row = ledger["images"]["oci:layout:1.0"]["linux/arm64"]
    assert row["packages"]["(no package)"] + row["packages"]["busybox"] == row["rootfs"] == row["unpacked"]
    assert pytester.runpytest_subprocess(*ARGS, *xdist_args).ret == pytest.ExitCode.OK

    row["rootfs"] -= 1000
    row["packages"]["(no package)"] -= 1000
    (pytester.path / "sizes.json").write_text(json.dumps(ledger))
    grown = pytester.runpytest_subprocess(*ARGS, *xdist_args)
    assert grown.ret == pytest.ExitCode.TESTS_FAILED
    grown.stdout.re_match_lines(
        [
            r"=+ alpine: sizes over the ledger =+",
            r"oci:layout:1\.0 \(linux/arm64\): rootfs grew .* -> .* \(\+1\.00 kB, .*%\): \(no package\) \+1\.00 kB",
        ]
    )


def test_a_broken_ledger_is_told_at_once(pytester: pytest.Pytester) -> None:
    (pytester.path / "sizes.json").write_text("[]")
    result = pytester.runpytest_subprocess(*ARGS)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--alpine-sizes: " in result.stderr.str()
    assert "sizes.json is not a size ledger" in result.stderr.str()
