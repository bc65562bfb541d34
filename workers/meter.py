"""What a generation has cost so far, what is held for it, and how much text that still pays for.

The hold covers the longest answer of the channel that was expected. A dearer channel, or a limit on the cost, makes it
fall short: then it is extended as far as the limit and the wallet allow, and the text ends where the hold does.
"""

from __future__ import annotations

import math

from domain.billing import Price, Usage, cost
from domain.text import token_weight


class Meter:
    """Counts one generation's attempts, each from nothing. Amounts are in micros."""

    def __init__(self, held: int, max_cost: int | None) -> None:
        self.held = held
        self._max_cost = max_cost
        self._refused = False
        self._price: Price | None = None
        self._prompt_tokens = 0
        self._weight = 0.0
        self._payable_tokens: int | None = None
        self._full = 0

    def serve(self, price: Price, prompt_tokens: int, output_tokens_max: int) -> None:
        """A channel has been taken: its price holds from now on, for a text that begins anew."""
        self._price, self._prompt_tokens, self._weight = price, prompt_tokens, 0.0
        self._full = cost(price, Usage(prompt_tokens, output_tokens_max))
        self._reckon()

    def add(self, text: str) -> None:
        self._weight += token_weight(text)

    @property
    def _output_tokens(self) -> int:
        return math.ceil(self._weight)

    @property
    def accrued(self) -> int:
        if self._price is None or not self._output_tokens:
            return 0
        return cost(self._price, Usage(self._prompt_tokens, self._output_tokens))

    @property
    def lacking(self) -> int:
        """By how much the hold should be extended; 0 when it suffices or may not grow."""
        return 0 if self._refused else max(0, self.wanted - self.held)

    @property
    def wanted(self) -> int:
        """What the hold should come to."""
        return self._full if self._max_cost is None else min(self._full, self._max_cost)

    @property
    def exhausted(self) -> bool:
        """Whether the text has come to the end of its hold, which cannot grow."""
        return self._payable_tokens is not None and not self.lacking and self._output_tokens >= self._payable_tokens

    def extended(self, held: int | None) -> None:
        """What the hold has grown to; None when the wallet refused."""
        if held is None:
            self._refused = True
        else:
            self.held = held
        self._reckon()

    def _reckon(self) -> None:
        """Only a hold that falls short of the longest answer has to be watched."""
        if self._price is not None:
            short = self.held < self._full
            self._payable_tokens = payable_tokens(self._price, self._prompt_tokens, self.held) if short else None


def payable_tokens(price: Price, prompt_tokens: int, micros: int) -> int:
    """The most output tokens that an amount pays for, behind a prompt."""
    least, most = 0, 1
    while most < 2**40 and cost(price, Usage(prompt_tokens, most)) <= micros:
        least, most = most, most * 2
    while most - least > 1:
        middle = (least + most) // 2
        if cost(price, Usage(prompt_tokens, middle)) <= micros:
            least = middle
        else:
            most = middle
    return least
