"""What was left out of a sequence, told briefly: the same reason once, with how often."""

from __future__ import annotations

import re
from collections.abc import Iterable


def reason_kind(message: str) -> str:
    """A message without its numbers: that of frame 12 and of frame 13 are of one kind."""
    return re.sub(r"\d+", "#", message)


def counted_reasons(messages: Iterable[str]) -> list[str]:
    """One sentence a kind of reason, the commonest first: its first message, and how many there are of it."""
    kinds: dict[str, list[str]] = {}
    for message in messages:
        kinds.setdefault(reason_kind(message), []).append(message)
    ordered = sorted(kinds.values(), key=len, reverse=True)
    return [group[0] if len(group) == 1 else f"{group[0]} ({len(group)} times)" for group in ordered]
