"""Quotas: limits of the tokens that one configuration may use in a month, by the name of the configuration."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from tollkeeper.model.limit import Limit, Match, Mode, Window
from tollkeeper.policy.limit_table import LONGEST_NAME
from tollkeeper.policy.policy import Policy
from tollkeeper.policy.scope import binds_all, literal

MONTH = Window("month")
_NAME = re.compile(r"[\w .-]*[\w.-]")
_ESCAPED = re.compile(r"\[([*?[])\]")


def quota_limit(config: str, tokens: int, threshold: int, mode: Mode = "hard") -> Limit:
    """The limit that is a configuration's quota; `threshold` is the percentage at which somebody is told."""
    match = Match(tags={"config": (literal(config),)})
    at = tuple(sorted({threshold, 100}))
    return Limit(name_of_quota(config), "tokens", tokens, MONTH, match, ("config",), mode, at)


def with_limit(policy: Policy, limit: Limit) -> Policy:
    """A policy with a limit in place of the one of that name, or besides."""
    others = [each for each in policy.limits if each.name != limit.name]
    if len(others) == len(policy.limits):
        return replace(policy, limits=(*policy.limits, limit))
    return replace(policy, limits=tuple(limit if each.name == limit.name else each for each in policy.limits))


def without_quota(policy: Policy, config: str) -> Policy:
    """A policy without a configuration's own quota."""
    name = name_of_quota(config)
    return replace(policy, limits=tuple(each for each in policy.limits if each.name != name))


def with_quotas_of(before: Policy, policy: Policy) -> Policy:
    """A policy with the quotas that single configurations have in the one before, where it does not name them itself.

    They are set one by one, by programs and people who do not know the file that the rest is written in.
    """
    named = {limit.name for limit in policy.limits}
    kept = tuple(limit for limit in before.limits if limit.name not in named and config_of(limit) is not None)
    return replace(policy, limits=(*policy.limits, *kept)) if kept else policy


def quota_of(policy: Policy, config: str) -> Limit | None:
    """The quota of a configuration: its own, else one that counts for each configuration, the tightest of several."""
    scope = {"config": config}
    found = [limit for limit in policy.limits if _is_quota(limit) and binds_all(limit, scope)]
    return min(found, key=lambda limit: (limit.name != name_of_quota(config), limit.amount), default=None)


def configs_of(policy: Policy) -> list[str]:
    """The configurations that have a quota of their own."""
    globs = [glob for limit in policy.limits if _is_quota(limit) for glob in limit.match.tags.get("config", ())]
    plain = {_ESCAPED.sub(r"\1", glob): glob for glob in globs}
    return sorted(config for config, glob in plain.items() if literal(config) == glob)


def config_of(limit: Limit) -> str | None:
    """The configuration whose own quota a limit is; `None`: it is another kind of limit."""
    globs = limit.match.tags.get("config", ())
    config = _ESCAPED.sub(r"\1", globs[0]) if len(globs) == 1 else ""
    return config if config and _is_quota(limit) and limit.name == name_of_quota(config) else None


def name_of_quota(config: str) -> str:
    """The name of its limit; of one that cannot be a part of a name, what can, and a digest."""
    name = f"quota {config}"
    if len(name) <= LONGEST_NAME and _NAME.fullmatch(config):
        return name
    digest = hashlib.blake2b(config.encode(errors="surrogatepass"), digest_size=8).hexdigest()
    kept = re.sub(r"[^\w.-]+", "-", config)[: LONGEST_NAME - 30].strip("-")
    return f"quota {kept} {digest}" if kept else f"quota {digest}"


def _is_quota(limit: Limit) -> bool:
    window = limit.window
    return limit.measure == "tokens" and limit.per == ("config",) and window is not None and not window.rolling
