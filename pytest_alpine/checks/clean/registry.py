"""All rules of hygiene: each module in ``rules`` that has a ``RULE``."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean import rules as folder
from pytest_alpine.checks.clean.rule import APPLICATION, BASE, InvalidRule, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable


def _all_rules() -> tuple[Rule, ...]:
    """Return the rules for every image and then those for applications, by name."""
    modules = (import_module(f"{folder.__name__}.{found.name}") for found in iter_modules(folder.__path__))
    found: list[Rule] = [module.RULE for module in modules if hasattr(module, "RULE")]
    return tuple(sorted(found, key=lambda rule: (rule.sets == APPLICATION, rule.name)))


RULES: Final = _all_rules()
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
