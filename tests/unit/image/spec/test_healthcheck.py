from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from pytest_alpine.errors import MalformedImage
from pytest_alpine.image.spec.config import parse_config
from pytest_alpine.image.spec.healthcheck import DEFAULT_SHELL, Healthcheck

WHERE = "app:1, configuration"


def parse(healthcheck: object) -> Healthcheck | None:
    return parse_config(json.dumps({"config": {"Healthcheck": healthcheck}}).encode(), WHERE).healthcheck


@pytest.mark.parametrize(
    ("written", "found", "text"),
    [
        (
            {
                "Test": ["CMD", "curl", "a b"],
                "Interval": 1_500_000_000,
                "Timeout": 2_000_000_000,
                "StartPeriod": 60_000_000_000,
                "StartInterval": 1_000_000,
                "Retries": 5,
            },
            Healthcheck(
                test=("CMD", "curl", "a b"),
                interval=1.5,
                timeout=2.0,
                start_period=60.0,
                start_interval=0.001,
                retries=5,
            ),
            "--interval=1.5s --timeout=2s --start-period=60s --start-interval=0.001s --retries=5 CMD curl 'a b'",
        ),
        (
            {"Test": ["CMD-SHELL", "curl -f http://localhost/ || exit 1"]},
            Healthcheck(test=("CMD-SHELL", "curl -f http://localhost/ || exit 1")),
            "CMD-SHELL curl -f http://localhost/ || exit 1",
        ),
        ({"Test": ["NONE"]}, Healthcheck(test=("NONE",)), "NONE"),
        ({"Test": ["CMD", "true"], "Interval": 0, "Retries": 0}, Healthcheck(test=("CMD", "true")), "CMD true"),
        (
            {"Test": ["CMD", "true"], "Timeout": None, "Other": 1, "Retries": 1},
            Healthcheck(test=("CMD", "true"), retries=1),
            "--retries=1 CMD true",
        ),
    ],
    ids=["all", "shell", "none", "zeros-say-nothing", "null-and-unknown"],
)
def test_health_checks(written: dict[str, Any], found: Healthcheck, text: str) -> None:
    assert parse(written) == found
    assert str(found) == text
    assert found.disabled is (text == "NONE")


@pytest.mark.parametrize("written", [None, {}, {"Test": None}, {"Test": [], "Interval": 1}], ids=json.dumps)
def test_no_health_check(written: object) -> None:
    assert parse(written) is None


@pytest.mark.parametrize(
    ("test", "shell", "command"),
    [
        (("CMD", "curl", "-f"), (), ("curl", "-f")),
        (("CMD-SHELL", "curl -f x"), (), ("/bin/sh", "-c", "curl -f x")),
        (("CMD-SHELL", "curl -f x"), ("/bin/bash", "-ec"), ("/bin/bash", "-ec", "curl -f x")),
        (("NONE",), (), ()),
        (("curl", "-f"), (), ()),
    ],
    ids=["cmd", "shell", "shell-of-the-image", "none", "unknown-to-engines"],
)  # fmt: skip
def test_the_command_that_engines_run(test: tuple[str, ...], shell: tuple[str, ...], command: tuple[str, ...]) -> None:
    assert Healthcheck(test=test).command(shell) == command


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (["CMD", "true"], "field 'Healthcheck' is ['CMD', 'true'] (expected an object)"),
        ({"Test": "true"}, "field 'Test' is 'true' (expected an array)"),
        ({"Test": ["CMD", 1]}, "field 'Test' is ['CMD', 1] (expected an array of strings)"),
        ({"Test": ["CMD"], "Interval": "30s"}, "field 'Interval' is '30s' (expected a number)"),
        ({"Test": ["CMD"], "Interval": 1.5}, "field 'Interval' is 1.5 (expected a number)"),
        ({"Test": ["CMD"], "Timeout": True}, "field 'Timeout' is True (expected a number)"),
        ({"Test": ["CMD"], "StartPeriod": -1}, "field 'StartPeriod' is -1 (expected 0 to 9223372036854775807)"),
        ({"Retries": 1 << 63}, "field 'Retries' is 9223372036854775808 (expected 0 to 9223372036854775807)"),
        ({"StartInterval": []}, "field 'StartInterval' is [] (expected a number)"),
    ],
    ids=["array", "line", "number", "duration", "float", "boolean", "negative", "too-large", "array-for-number"],
)
def test_broken_health_checks(written: object, message: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        parse(written)
    assert str(caught.value) == f"{WHERE}: {message}"


WORDS = st.one_of(st.sampled_from(["NONE", "CMD", "CMD-SHELL", ""]), st.text(max_size=5), st.integers())
NUMBERS = st.one_of(st.integers(), st.floats(), st.none(), st.booleans(), st.text(max_size=3))
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "Test": st.lists(WORDS, max_size=4),
        **dict.fromkeys(("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"), NUMBERS),
    },
)


@given(FIELDS)
def test_any_document_is_a_health_check_or_an_error_of_ours(written: dict[str, Any]) -> None:
    try:
        found = parse(written)
    except MalformedImage as error:
        assert str(error).startswith(f"{WHERE}: field ")  # noqa: PT017 - some documents are broken, not all
    else:
        assert found is None or str(found).endswith(found.test[-1] if len(found.test) == 1 else "")
        assert found is None or set(found.command()) <= {*DEFAULT_SHELL, *found.test}
