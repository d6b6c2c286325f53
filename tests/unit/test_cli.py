"""The command ``pytest-alpine``: what it prints, and what it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import pytest_alpine
from pytest_alpine.cli import main
from tests.support.alpine import DATABASE, GOOD, built
from tests.support.elf import musl_loader
from tests.support.images import File, image, layer_tar, write_oci_layout
from tests.support.registry_server import Fault, RegistryServer, serving

SCHEMA = Path(pytest_alpine.__file__).parent / "report" / "schema" / "commands.json"
BUILDS = [
    [
        image(layer_tar(GOOD | {"build": build}), platform=platform)
        for platform in ("linux/amd64", "linux/arm64/v8", "linux/s390x")
    ]
    for build in ("first", "second")
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs, with two images for two platforms: ``good`` and ``bad``."""
    monkeypatch.setenv("PYTEST_ALPINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    files = GOOD | {"etc/apk/arch": "x86_64\n"}
    newer = {"lib/apk/db/installed": DATABASE.replace("V:1.2.6-r2", "V:1.2.6-r3"), "tmp/left": "x", "etc/apk/arch": "x"}
    built(tmp_path, files, name="good")
    built(tmp_path, files, newer, name="bad")
    layers = [layer_tar(GOOD)]
    both = [image(*layers, platform=platform) for platform in ("linux/amd64", "linux/arm64/v8")]
    write_oci_layout(tmp_path / "both", {"1": both})
    write_oci_layout(tmp_path / "scratch", {"1": [image(layer_tar({"x": "y"}))]})
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"pytest-alpine {pytest_alpine.__version__}\n"


def test_facts(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "facts", "oci:good:1", "--platform", "x86_64").splitlines()
    assert lines[0] == "oci:good:1 (linux/amd64)"
    rows = dict(line.strip().split(maxsplit=1) for line in lines[1:])
    assert rows["image"].startswith("sha256:")
    assert rows["release"] == "Alpine Linux v3.24, 3.24.2"
    assert rows["/bin/sh"] == "ash, /bin/busybox"
    assert (rows["command"], rows["user"], rows["entrypoint"]) == ("app", "app", "-")
    assert rows["world"] == "baselayout busybox"
    assert rows["packages"] == "musl-1.2.6-r2 busybox-1.37.0-r31 baselayout-1.0-r0"
    assert rows["size"].startswith("compressed ")


def test_facts_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    facts: list[dict[str, Any]] = json.loads(told(capsys, "facts", "--json", "--platform=all", "oci:both:1"))
    assert [fact["platform"] for fact in facts] == ["linux/amd64", "linux/arm64"]
    for fact in facts:
        assert fact["release"]["branch"] == "3.24"
        assert fact["packages"]["musl"] == "1.2.6-r2"
        assert fact["size"]["rootfs"] > 0
        assert fact["problems"] == {}


def test_facts_of_what_is_no_alpine(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "facts", "oci:scratch:1", "--platform=amd64")
    assert "  packages     no apk database: neither " in out
    assert "  /bin/sh      -\n" in out
    (fact,) = json.loads(told(capsys, "facts", "--json", "oci:scratch:1", "--platform=amd64"))
    assert fact["packages"] is fact["release"] is None
    assert set(fact["problems"]) == {"packages", "release", "world"}


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "check", "oci:bad:1", "--platform=amd64", code=1)
    assert out.startswith("oci:bad:1 (linux/amd64, sha256:")
    assert "\n  platform: /etc/apk/arch: expected x86_64, found x\n" in out
    assert "\n  clean:temporary-files: /tmp/left: " in out
    excepted = told(
        capsys, "check", "oci:bad:1", "--platform=amd64", "--except=temporary-files:/tmp/*,credentials:ENV A", code=1
    )
    assert "/tmp/left" not in excepted
    foreign = told(capsys, "check", "oci:bad:1", "--platform=amd64", "--foreign=/bin/*,/usr/local/*", code=1)
    assert "broken ELF file" in out
    assert "broken" not in foreign
    named = told(capsys, "check", "oci:bad:1", "--platform=amd64", "--rules=setuid,timezone", code=1)
    assert "/tmp/left" not in named


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_odd_names_neither_stop_it_nor_reach_the_terminal(folder: Path, encoding: str) -> None:
    odd = {"tmp/\udcff\u2603\n\x1b[2J": "x"}
    built(folder, GOOD, odd, config={"Cmd": ["\x1b[2J\u2603"], "Labels": {"odd": "\ud800"}}, name="odd")
    for command in (["check", "oci:odd:1"], ["facts", "oci:odd:1"], ["compare", "oci:good:1", "oci:odd:1"]):
        code = "import sys; from pytest_alpine.cli import main; sys.exit(main())"
        run = [sys.executable, "-c", code, *command, "--platform=amd64"]
        done = subprocess.run(run, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False)
        assert done.stderr == b""
        assert b"\\x1b[2J" in done.stdout
        assert b"\x1b" not in done.stdout


def test_check_of_security_data(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    fixes = {"packages": [{"pkg": {"name": "musl", "secfixes": {"1.2.6-r9": ["CVE-2026-1"]}}}]}
    (folder / "main.json").write_text(json.dumps({"distroversion": "v3.24", "reponame": "main"} | fixes))
    args = ("check", "oci:good:1", "--platform=amd64", f"--secdb={folder}/main.json")
    assert "CVE-2026-1" in told(capsys, *args, code=1)
    odd = {"packages": [{"pkg": {"name": "musl", "secfixes": {"1.x": ["CVE-2026-1"]}}}]}
    (folder / "main.json").write_text(json.dumps({"distroversion": "v3.24", "reponame": "main"} | odd))
    remark = told(capsys, *args, code=1).splitlines()[-1]
    assert remark.startswith("  not considered: 1 malformed entry, such as musl: invalid version: '1.x' ")


def test_check_of_what_is_no_alpine_tells_what_can_be_told(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    first, *lines = told(capsys, "check", "oci:scratch:1", "--platform=amd64", code=1).splitlines()
    assert first.endswith("): 2 found, 6 checks cannot tell")
    assert [line.split(":")[0] for line in lines[:-1]] == ["  musl", "  clean"]
    rules = ("apk-state", "owners", "package-files", "package-modes", "unowned-elf", "virtual-packages")
    untold = ", ".join(f"clean:{rule}" for rule in rules)
    assert lines[-1].startswith(f"  cannot tell {untold}: no apk database: neither ")
    built(folder, {"app": "x"}, name="app")
    out = told(capsys, "check", "oci:app:1", "--platform=amd64", "--rules=setuid,owners", "--foreign=*", code=1)
    assert "clean:owners: no apk database" in out


def test_check_without_findings_that_cannot_tell_everything(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    files = {name: node for name, node in GOOD.items() if name != "etc/apk/world"}
    built(folder, files | {"lib/ld-musl-x86_64.so.1": File(musl_loader(), mode=0o755)}, name="asked")
    out = told(capsys, "check", "oci:asked:1", "--platform=amd64", "--foreign=*", "--rules=setuid,apk-state", code=2)
    first, second = out.splitlines()
    assert first.endswith("): none found, 1 check cannot tell")
    assert second.startswith("  cannot tell clean:apk-state: /etc/apk/world is not there ")


def test_check_on_another_day(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("check", "oci:good:1", "--platform=amd64", "--rules=supported-branch", "--today")
    assert "ended on 2028-06-01" in told(capsys, *args, "2028-06-02", code=1)
    assert "ended on" not in told(capsys, *args, "2028-06-01", code=1)
    with pytest.raises(SystemExit) as caught:
        main([*args, "tomorrow"])
    assert caught.value.code == 2
    assert "--today: 'tomorrow': no date (expected YYYY-MM-DD, such as 2026-11-05)" in capsys.readouterr().err


def test_sizes_of_what_is_no_alpine(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "sizes", "oci:scratch:1", "--platform=amd64", code=2).splitlines()
    assert [line.split()[:3] for line in lines[2:4]] == [["unpacked", "1", "B"], ["rootfs", "1", "B"]]
    assert lines[4].startswith("  packages    cannot tell: no apk database: neither /lib/apk/db/installed nor ")
    assert len(lines) == 5


def test_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "sizes", "oci:good:1", "--platform=amd64").splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["compressed", "unpacked", "rootfs"]
    assert {line.rsplit("  ")[-1] for line in lines[4:]} == {"musl", "busybox", "baselayout", "(no package)"}


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("oci:good:1", "oci:good:1", "--platform=amd64"), 0, "  nothing differs"),
        (("oci:good:1", "oci:bad:1", "--platform=amd64"), 1, "    musl: 1.2.6-r2 -> 1.2.6-r3"),
        (("oci:both:1", "oci:both:1", "--platform=all"), 0, "  nothing differs"),
        (("oci:both:1", "oci:both:1", "--platform=amd64", "--to=arm64"), 1, "  file: 1 added, 1 removed"),
    ],
    ids=["same", "newer", "every-platform", "two-platforms"],
)
def test_compare(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, line: str) -> None:
    assert line in told(capsys, "compare", *arguments, code=code).splitlines()


def test_compare_where_a_platform_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    for images in (("oci:both:1", "oci:good:1"), ("oci:good:1", "oci:both:1")):
        out = told(capsys, "compare", *images, "--platform=all", code=1)
        assert out.count(" -> oci:") == 1
        assert "\noci:good:1 is not published for linux/arm64\n" in out


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize(
    "command",
    [("facts", "1"), ("check", "1"), ("sizes", "1"), ("compare", "1", "2"), ("compare", "1", "1")],
    ids=["facts", "check", "sizes", "compare", "compare-with-itself"],
)
def test_a_command_looks_a_tag_up_once(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], warm: bool
) -> None:
    tags = {("acme/app", tag) for tag in command[1:]}
    with serving(RegistryServer(login="bearer")) as server:
        first, second = (server.push("acme/app", f"build-{number}", build) for number, build in enumerate(BUILDS))
        server.tags |= dict.fromkeys(tags, first)
        arguments = (command[0], "--platform=all", *(f"registry:{server.host}/acme/app:{tag}" for tag in command[1:]))
        if warm:
            main(arguments)
            capsys.readouterr()
            server.log.clear()
        server.moves = dict.fromkeys(tags, second)
        assert main(arguments) in {0, 1}
    out = capsys.readouterr().out
    shown = [[built.manifest.digest[:19] in out for built in build] for build in BUILDS]
    assert shown == [[True, True, True], [False, False, False]]
    assert server.asked("/token") == 1
    # One request more than there are tags: the answer to the first one says which token it takes.
    assert sum(server.asked(f"/manifests/{tag}") for _, tag in tags) == len(tags) + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("facts", "Alpine"), "invalid image reference: 'Alpine' (expected [registry/]name[:tag][@digest], "),
        (("facts", "oci:absent:1"), "oci:absent: no such folder"),
        (("facts", "oci:good:1", "--platform=vax"), "unknown architecture: 'vax' (expected one of linux/amd64"),
        (("facts", "oci:good:1", "--platform=s390x"), "oci:good:1 is not published for linux/s390x (published: "),
        (
            ("check", "oci:good:1", "--platform=amd64", "--rules=tidy"),
            "unknown rule: 'tidy' (expected one of application, base, ",
        ),
        (("facts", "acme/app", "--pull=never"), "acme/app is not in the local store, and pulling is switched off"),
    ],
    ids=["name", "absent", "architecture", "platform", "rule", "pull"],
)
def test_what_cannot_be_told(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("pytest-alpine: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [(), ("weigh", "alpine"), ("facts",), ("facts", "a", "--pull=often"), ("facts", "a", "--pull-timeout=soon")],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: pytest-alpine")


def test_a_reader_that_has_enough() -> None:
    code = "import sys; from pytest_alpine.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "facts", "--platform=all", "oci:both:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_the_command_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="pytest-alpine")
    assert script.load() is main


def valid(command: str, out: str) -> list[dict[str, Any]]:
    """Return what *command* printed, held against the schema."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema needs what is compiled, and not there yet")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    printed: list[dict[str, Any]] = json.loads(out)
    jsonschema.validate(printed, {**schema, "type": "array", "items": {"$ref": f"#/$defs/{command}"}})
    return printed


@pytest.mark.parametrize(
    ("command", "arguments", "code"),
    [
        pytest.param("facts", ["oci:good:1"], 0, id="facts"),
        pytest.param("facts", ["oci:scratch:1"], 0, id="facts-from-scratch"),
        pytest.param("check", ["oci:bad:1"], 1, id="check"),
        pytest.param("check", ["oci:scratch:1", "--foreign=*"], 1, id="check-from-scratch"),
        pytest.param("sizes", ["oci:good:1"], 0, id="sizes"),
        pytest.param("sizes", ["oci:scratch:1"], 2, id="sizes-from-scratch"),
        pytest.param("compare", ["oci:good:1", "oci:bad:1"], 1, id="compare"),
        pytest.param("compare", ["oci:good:1", "oci:good:1"], 0, id="compare-with-itself"),
    ],
)
def test_every_command_as_data(
    capsys: pytest.CaptureFixture[str], command: str, arguments: list[str], code: int
) -> None:
    assert len(valid(command, told(capsys, command, *arguments, "--platform=amd64", "--json", code=code))) == 1


def test_findings_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    (checked,) = valid("check", told(capsys, "check", "oci:bad:1", "--platform=amd64", "--json", code=1))
    assert {
        "check": "platform",
        "subject": "/etc/apk/arch",
        "expected": "x86_64",
        "actual": "x",
        "hint": "",
    } in checked["findings"]
    assert checked["problems"] == {}


def test_a_platform_that_one_of_two_lacks_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "compare", "oci:both:1", "oci:good:1", "--platform=all", "--json", code=1)
    assert valid("compare", out)[1] == {"unpublished": "oci:good:1", "platform": "linux/arm64"}


def test_findings_as_sarif(capsys: pytest.CaptureFixture[str]) -> None:
    log = json.loads(told(capsys, "check", "oci:bad:1", "--platform=amd64", "--sarif", code=1))
    rules = {result["ruleId"] for result in log["runs"][0]["results"]}
    assert {"platform", "clean:temporary-files"} <= rules


def test_facts_of_a_service(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    config = {
        "Env": ["PORT=8080"],
        "Labels": {"org.example.team": "web"},
        "ExposedPorts": {"8080/tcp": {}},
        "Volumes": {"/data": {}},
        "Healthcheck": {"Test": ["CMD", "wget", "-q", "localhost"], "Interval": 5 * 10**9},
    }
    built(folder, GOOD, config=config, name="service")
    lines = told(capsys, "facts", "oci:service:1", "--platform=amd64").splitlines()
    rows = dict(line.strip().split(maxsplit=1) for line in lines[1:])
    assert rows["environment"] == "PORT=8080"
    assert rows["labels"] == "org.example.team=web"
    assert rows["ports"] == "8080/tcp"
    assert rows["volumes"] == "/data"
    assert rows["health"] == "--interval=5s CMD wget -q localhost"


def test_a_platform_that_cannot_be_read_does_not_hide_the_others(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    broken = image(b"no tar", platform="linux/arm64/v8")
    write_oci_layout(folder / "half", {"1": [image(layer_tar(GOOD), platform="linux/amd64"), broken]})
    assert main(["sizes", "oci:half:1", "--platform=all", "--json"]) == 2
    captured = capsys.readouterr()
    assert [size["platform"] for size in valid("sizes", captured.out)] == ["linux/amd64"]
    assert captured.err.startswith("pytest-alpine: oci:half:1")
    assert captured.err.count("\n") == 1


def test_required_labels(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("check", "oci:good:1", "--platform=amd64", "--rules=setuid", "--foreign=*", "--label=org.example.source")
    assert "clean:labels: LABEL org.example.source: expected a value, found no such label" in told(
        capsys, *args, code=1
    )


def test_a_silent_registry_is_given_up_once(capsys: pytest.CaptureFixture[str]) -> None:
    server = RegistryServer(faults=[Fault(path="/blobs/", silence="answer", times=9)])
    with serving(server):
        server.push("acme/app", "1", BUILDS[0])
        arguments = ["sizes", f"registry:{server.host}/acme/app:1", "--platform=all", "--pull-timeout=0.4"]
        assert main(arguments) == 2
    line = (
        f"pytest-alpine: {server.host} does not answer: it was silent for 0.4 s, the pull timeout, and is not asked "
        "again in this run; try later, or allow more with --alpine-pull-timeout (--pull-timeout of pytest-alpine)\n"
    )
    assert capsys.readouterr().err == 3 * line
