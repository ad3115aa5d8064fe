"""What is found before the first track, and what to do about it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """How a finding is for tracking."""

    GOOD = "good"
    LOOK = "look"
    BAD = "bad"


class Finding(NamedTuple):
    """One line of a report: what was looked at, what was found, and what to do where that is not good."""

    what: str
    found: str
    verdict: Verdict = Verdict.GOOD
    advice: str = ""


def judged(what: str, found: str, faults: list[tuple[bool, Verdict, str]]) -> Finding:
    """A finding with the first fault that it has, of (whether it has it, verdict, advice); else it is good."""
    for has_it, verdict, advice in faults:
        if has_it:
            return Finding(what, found, verdict, advice)
    return Finding(what, found)
