"""All rules of hygiene: a new rule is a module in ``rules``, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import APPLICATION, BASE, InvalidRule, Rule
from pytest_alpine.checks.clean.rules import (
    apk_cache,
    apk_keys,
    apk_state,
    build_tools,
    credentials,
    default_user,
    device_nodes,
    duplicate_accounts,
    health_check,
    owners,
    package_files,
    package_modes,
    passwords,
    private_keys,
    release_files,
    repositories,
    root_home,
    setuid,
    stray_files,
    supported_branch,
    temporary_files,
    timezone,
    tool_caches,
    unneeded_packages,
    unowned_elf,
    virtual_packages,
    volumes,
    wasted_space,
    world_writable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

RULES: Final[tuple[Rule, ...]] = (
    apk_cache.RULE,
    tool_caches.RULE,
    temporary_files.RULE,
    root_home.RULE,
    stray_files.RULE,
    virtual_packages.RULE,
    repositories.RULE,
    apk_keys.RULE,
    release_files.RULE,
    apk_state.RULE,
    package_files.RULE,
    package_modes.RULE,
    owners.RULE,
    unowned_elf.RULE,
    setuid.RULE,
    world_writable.RULE,
    device_nodes.RULE,
    private_keys.RULE,
    credentials.RULE,
    duplicate_accounts.RULE,
    passwords.RULE,
    timezone.RULE,
    volumes.RULE,
    default_user.RULE,
    health_check.RULE,
    build_tools.RULE,
    wasted_space.RULE,
    unneeded_packages.RULE,
    supported_branch.RULE,
)
SETS: Final = BASE | APPLICATION


def chosen(rules: str | Rule | Iterable[str | Rule]) -> tuple[Rule, ...]:
    """Return the rules in *rules*, each once: a text is the name of a rule or of a set of rules.

    Raises:
        InvalidRule: there is no rule and no set of that name.
    """
    words = [rules] if isinstance(rules, (str, Rule)) else list(rules)
    found: dict[str, Rule] = {}
    for word in words:
        named = [word] if isinstance(word, Rule) else _named(word)
        found |= {rule.name: rule for rule in named}
    return tuple(found.values())


def check_name(name: str, known: Iterable[Rule], sets: Iterable[str] = ()) -> None:
    """Raise unless a registered rule, or one in *known*, has the name *name*; the message lists *sets* too.

    Raises:
        InvalidRule: there is no such rule; the message lists the rules that exist.
    """
    names = dict.fromkeys(rule.name for rule in (*RULES, *known))
    if name not in names:
        raise InvalidRule(f"unknown rule: {name!r} (expected one of {', '.join([*sets, *names])})")


def _named(word: str) -> list[Rule]:
    if word not in SETS:
        check_name(word, (), sets=sorted(SETS))
    return [rule for rule in RULES if rule.name == word or word in rule.sets]
