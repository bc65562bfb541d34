"""Fractional positions: strings that sort bytewise, with always another one between two of them.

A position is digits of base 62 after an imagined point, never ending in the zero digit, so that something can
always be put before it. Moving a node rewrites that node's row and no other.
"""

from __future__ import annotations

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE = {digit: value for value, digit in enumerate(DIGITS)}
BASE = len(DIGITS)


def position_between(before: str | None, after: str | None) -> str:
    """A position strictly between two others; None stands for the open end."""
    if before is not None and after is not None and before >= after:
        raise ValueError(f"no position between {before!r} and {after!r}")
    return _middle(before or "", after)


def _middle(low: str, high: str | None) -> str:
    shared = 0
    if high is not None:
        while shared < len(high) and (low[shared] if shared < len(low) else DIGITS[0]) == high[shared]:
            shared += 1
    if high is not None and shared:
        return high[:shared] + _middle(low[shared:], high[shared:])
    first = _VALUE[low[0]] if low else 0
    last = _VALUE[high[0]] if high else BASE
    if last - first > 1:
        # At an open end a step of one keeps keys short over thousands of appends; between two neighbours halve.
        if high is None:
            return DIGITS[first + 1]
        return DIGITS[(first + last) // 2 if low else last - 1]
    if high is not None and len(high) > 1:
        return high[0]
    return DIGITS[first] + (_middle(low[1:], None) if low else DIGITS[-1])
