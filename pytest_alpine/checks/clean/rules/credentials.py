"""The image holds no passwords and tokens, in files of tools, its environment, its history or URLs of repositories."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.database import REPOSITORIES
from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.image.spec.config import ImageConfig

_IN_URL: Final = r"https?://[^/\s:@]*:(?!\$)[^/\s@]+@"
_OF_GIT: Final = rf"{_IN_URL}|(?i:extraheader\s*=\s*authorization:)"
# The files in which tools keep credentials, by the ends of their paths, and a pattern of a file that does hold one.
_FILES: Final = {
    "/.aws/credentials": r"aws_secret_access_key\s*=\s*\S",
    "/.azure/accessTokens.json": r"accessToken",
    "/.azure/msal_token_cache.json": r'"secret"',
    "/.config/containers/auth.json": r'"auth"\s*:\s*"[^"]',
    "/.config/gcloud/application_default_credentials.json": r"refresh_token|private_key",
    "/.config/gh/hosts.yml": r"oauth_token:\s*\S",
    "/.cargo/credentials": r"token\s*=\s*\S",
    "/.cargo/credentials.toml": r"token\s*=\s*\S",
    "/.docker/config.json": r'"(?:auth|identitytoken|registrytoken)"\s*:\s*"[^"]',
    "/.env": r"(?im)^(?:export[ \t]+)?(?:\w+_)?(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)(?:_KEY)?=[\"']?[^\s\"'$/]",
    "/.gem/credentials": r":\s*\S",
    "/.git/config": _OF_GIT,
    "/.gitconfig": _OF_GIT,
    "/.git-credentials": r"://[^/\s:]*:[^/\s@]+@",
    "/.kube/config": r"(?:token|client-key-data|password):\s*\S",
    "/.m2/settings.xml": r"<password>(?!\$\{)[^<\s]",
    "/.my.cnf": r"(?m)^[ \t]*password\s*=\s*\S",
    "/.netrc": r"\bpassword\s+\S",
    "/.npmrc": r"(?:_authToken|_auth|_password)\s*=\s*(?!\$\{)\S",
    "/.pgpass": r"(?m)^[^#\n]+:[^:\n]+$",
    "/.pypirc": r"(?m)^[ \t]*password\s*[=:]\s*\S",
    "/.terraform.d/credentials.tfrc.json": r'"token"\s*:\s*"[^"]',
    "/.vault-token": r"\S",
    "/.yarnrc.yml": r"npmAuth(?:Token|Ident):\s*(?![\"']?\$\{)\S",
    "/pip.conf": _IN_URL,
    "composer/auth.json": r'"(?:password|github-oauth|gitlab-token|bearer)"\s*:',
}
_HOLDS: Final = {name: re.compile(pattern) for name, pattern in _FILES.items()}
_ENDINGS: Final = tuple(_FILES)

_VARIABLE: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASS|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?)(?:_ID|_KEY)?$",
    re.IGNORECASE,
)
_NONE: Final = {"", "0", "1", "false", "no", "true", "yes"}
# "RUN |1 NPM_TOKEN=npm_abc /bin/sh -c npm ci": the build arguments stand before the shell that runs the step.
_ARGUMENTS: Final = re.compile(r"\|[0-9]+ (.*?)(?: /bin/|$)", re.DOTALL)
_ARGUMENT: Final = re.compile(r"(?:^|\s)(\w+)=(\S+)")
# "ENV A=1 B=2", as BuildKit writes it, and "/bin/sh -c #(nop)  ENV A=1", as the classic builder does.
_SET: Final = re.compile(r"^(?:/bin/sh -c #\(nop\)\s+)?(ENV|ARG) (.*)", re.DOTALL)
_WORD: Final = r"(?:\"[^\"]*\"|'[^']*'|[^\s;&|\"'()]+)"
_ASSIGNMENT: Final = re.compile(rf"([A-Za-z_]\w*)=({_WORD})")
# Assignments where a command begins, before its first word.
_ASSIGNED: Final = re.compile(rf"(?:^|[;&|(]|-c|\bexport|\benv)\s*((?:[A-Za-z_]\w*={_WORD}(?:\s+|(?=[;&|)])|$))+)")
_PASSWORD_IN_URL: Final = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")


def without_password(url: str) -> str:
    """Return *url* with its password left out.

    >>> without_password("https://reader:hunter2@apk.example.com/v3.20/main")
    'https://reader:***@apk.example.com/v3.20/main'
    """
    return _PASSWORD_IN_URL.sub(r"\1:***@", url)


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    hint = "mount it as a secret of the build, and change it: whoever has the image has it"
    for path, entry in snapshot.entries.items():
        if path.endswith(_ENDINGS) and entry.is_file:
            pattern = next(pattern for name, pattern in _HOLDS.items() if path.endswith(name))
            if pattern.search(snapshot.text(path) or ""):
                yield RULE.finding(path, expected="no credentials", actual="some", hint=hint)
    for subject, value in _variables(snapshot.image.config).items():
        # A path only says where the secret will be, and ALLOW_EMPTY_PASSWORD=yes is not one. Other values are secrets.
        if value.lower() not in _NONE and not value.startswith("/") and _VARIABLE.search(subject.partition(" ")[2]):
            actual = f"a value of {len(value)} characters"
            yield RULE.finding(subject, expected="no value in the image", actual=actual, hint=hint)
    for line in (snapshot.text(REPOSITORIES) or "").splitlines():
        if _PASSWORD_IN_URL.search(line) and not line.lstrip().startswith("#"):
            yield RULE.finding(REPOSITORIES, expected="no password", actual=without_password(line.strip()), hint=hint)


def _variables(config: ImageConfig) -> dict[str, str]:
    """Return the environment, and what the history tells of the build: its variables, its arguments, its commands."""
    found: dict[str, str] = {}
    for step in config.history:
        found |= dict(_of_step(step.created_by))
    return found | {f"ENV {name}": value for name, value in config.env.items() if value}


def _of_step(step: str) -> Iterator[tuple[str, str]]:
    """Yield the variables that one step of a build sets, as history tells it."""
    set_by = _SET.search(step)
    if set_by:
        yield from ((f"{set_by[1]} {name}", value) for name, value in _assigned(set_by[2]))
        return
    told = _ARGUMENTS.search(step)
    yield from ((f"ARG {name}", value) for name, value in _ARGUMENT.findall(told[1] if told else ""))
    for match in _ASSIGNED.finditer(step[told.end(1) :] if told else step):
        yield from ((f"RUN {name}", value) for name, value in _assigned(match[1]))


def _assigned(text: str) -> Iterator[tuple[str, str]]:
    for name, value in _ASSIGNMENT.findall(text):
        plain = value.strip("\"'")
        if not plain.startswith(("$", "`")):  # the step takes it from elsewhere
            yield name, plain


RULE = Rule(
    name="credentials",
    reason="whoever can pull the image can read every password and token in it",
    sets=BASE,
    find=_find,
)
