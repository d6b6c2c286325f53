"""Findings as SARIF, held against the model that is made of its schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine.checks.every import Outcome
from pytest_alpine.checks.findings import Finding
from pytest_alpine.report.sarif import sarif_log
from tests.support.alpine import GOOD, built

if TYPE_CHECKING:
    from pathlib import Path

model = pytest.importorskip("pydantic_sarif.model", reason="pydantic is compiled, and not there for this Python")
Log = model.StaticAnalysisResultsFormatSarifVersion210JsonSchema

HOSTILE = "/srv/a b\x1b[31m\n%é\udcff"


def finding(subject: str, check: str = "clean:setuid") -> Finding:
    return Finding(check=check, subject=subject, expected="no\x07 setuid", actual="one")


def log_of(folder: Path, *findings: Finding) -> dict[str, Any]:
    log = sarif_log([(built(folder, GOOD), Outcome(findings=findings, problems={}, remarks=()))], "1.2.3")
    Log.model_validate_json(json.dumps(log))
    return log


def test_nothing_found_is_a_run_without_results(tmp_path: Path) -> None:
    (run,) = log_of(tmp_path)["runs"]
    assert run["results"] == []
    assert run["tool"]["driver"]["name"] == "pytest-alpine"
    assert run["tool"]["driver"]["version"] == "1.2.3"


@pytest.mark.parametrize(
    ("subject", "uri", "base"),
    [
        pytest.param("/usr/bin/su", "usr/bin/su", "ROOTFS", id="a-file"),
        pytest.param("/usr/bin/su (busybox 1.36-r1)", "usr/bin/su", "ROOTFS", id="a-file-with-its-package"),
        pytest.param(HOSTILE, "srv/a%20b%5Cx1b%5B31m%5Cn%25%C3%A9%5Cxff", "ROOTFS", id="a-hostile-name"),
    ],
)
def test_a_file_is_a_place(tmp_path: Path, subject: str, uri: str, base: str) -> None:
    (result,) = log_of(tmp_path, finding(subject))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": uri, "uriBaseId": base}


def test_what_is_no_file_is_in_the_image(tmp_path: Path) -> None:
    (result,) = log_of(tmp_path, finding("ENV NPM_TOKEN"))["runs"][0]["results"]
    place = result["locations"][0]
    assert "uriBaseId" not in place["physicalLocation"]["artifactLocation"]
    assert place["logicalLocations"][0]["fullyQualifiedName"].endswith("(linux/amd64): ENV NPM_TOKEN")


def test_each_rule_is_told_once_with_its_reason(tmp_path: Path) -> None:
    found = [finding("/a"), finding("/b", "musl"), finding("/c"), finding("/d", "clean:of-your-own")]
    (run,) = log_of(tmp_path, *found)["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["clean:of-your-own", "clean:setuid", "musl"]
    assert rules[2]["shortDescription"]["text"] == "The C library is musl, and no file is built for glibc."
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [one.check for one in found]


def test_control_characters_stay_visible_text(tmp_path: Path) -> None:
    (result,) = log_of(tmp_path, finding(HOSTILE))["runs"][0]["results"]
    text = result["message"]["text"]
    assert text.startswith("/srv/a b\\x1b[31m\\n%é\\xff: expected no\\x07 setuid, found one in ")


def test_a_fingerprint_is_of_the_problem_and_not_of_the_build(tmp_path: Path) -> None:
    prints = [
        log_of(tmp_path / name, found)["runs"][0]["results"][0]["partialFingerprints"]["pytestAlpine/v1"]
        for name, found in (("a", finding("/a")), ("b", finding("/a")), ("c", finding("/b")))
    ]
    assert prints[0] == prints[1] != prints[2]
