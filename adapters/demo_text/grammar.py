"""Makes chapters out of a bank of sentences: which kinds follow which, who is in them, and when to stop."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from adapters.demo_text.bank import Bank


@dataclass(frozen=True, slots=True)
class Cast:
    """Names from the author's codex, possibly none, and the author's phrase for the first paragraph, possibly empty.

    `short` holds, by full name, what a person is called after the first mention.
    """

    people: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    things: tuple[str, ...] = ()
    echo: str = ""
    short: Mapping[str, str] = field(default_factory=dict)


# What a paragraph is made of, in the order in which a chapter goes through them, again and again when it is long.
_PARAGRAPHS: tuple[tuple[str, ...], ...] = (
    ("action", "setting", "thing"),
    ("company", "company", "action"),
    ("dialogue",),
    ("memory", "thought"),
    ("setting", "action", "action", "thing"),
    ("dialogue",),
    ("discovery", "thought"),
    ("company", "thing", "memory"),
    ("dialogue",),
    ("action", "setting", "discovery"),
    ("thought", "company"),
)


class Teller:
    """One chapter. Equal banks, casts and dice tell the same."""

    def __init__(self, bank: Bank, cast: Cast, dice: random.Random) -> None:
        self._bank = bank
        self._dice = dice
        self._echo = cast.echo
        self._short = cast.short
        self._introduced: set[str] = set()
        self._decks: dict[str, list[str]] = {}
        self._hero, *others = _filled(cast.people, bank.people, 2, dice)
        self._others = others
        self._places = _filled(cast.places, bank.places, 3, dice)
        self._things = _filled(cast.things, bank.things, 2, dice)
        self._scene = 0

    def opening(self) -> str:
        choices = self._bank.openings if self._echo else self._bank.plain_openings
        first = self._fill(self._dice.choice(choices))
        return self._joined([first, *self._sentences(("setting", "action"))])

    def middle(self) -> Iterator[str]:
        """Paragraphs without end. A dialogue is one block of several paragraphs."""
        while True:
            for kinds in _PARAGRAPHS:
                yield self._dialogue() if kinds == ("dialogue",) else self._joined(list(self._sentences(kinds)))
            self._scene += 1

    def closing(self) -> str:
        return self._fill(self._dice.choice(self._bank.closings))

    def _dialogue(self) -> str:
        lines = self._drawn("dialogue", self._bank.dialogues)
        after = self._sentences((self._dice.choice(("setting", "company")),))
        return self._joined([self._fill(lines), *after])

    def _sentences(self, kinds: Sequence[str]) -> Iterator[str]:
        for kind in kinds:
            yield self._fill(self._drawn(kind, self._bank.sentences[kind]))

    def _drawn(self, kind: str, cards: Sequence[str]) -> str:
        """Without putting back: nothing is said twice until all has been said."""
        deck = self._decks.get(kind)
        if not deck:
            deck = self._decks[kind] = self._dice.sample(cards, len(cards))
        return deck.pop()

    def _fill(self, template: str) -> str:
        scene = self._scene
        people = {"hero": self._hero, "other": self._others[scene % len(self._others)]}
        slots = {
            "place": self._places[scene % len(self._places)],
            "elsewhere": self._places[(scene + 1) % len(self._places)],
            "thing": self._things[scene % len(self._things)],
            "echo": self._echo,
            **{slot: self._dice.choice(words) for slot, words in self._bank.words.items()},
        }

        def filler(match: re.Match[str]) -> str:
            slot = match[1]
            return self._named(people[slot]) if slot in people else slots[slot]

        # Not str.format: names and the author's words may hold braces.
        text = re.sub(r"\{(\w+)\}", filler, template)
        return text[:1].upper() + text[1:] if not text.startswith("“") else text

    def _named(self, person: str) -> str:
        if person in self._introduced:
            return self._short.get(person, person)
        self._introduced.add(person)
        return person

    def _joined(self, sentences: Sequence[str]) -> str:
        return ("" if self._bank.language == "zh" else " ").join(sentences)


def _filled(given: Sequence[str], stock: Sequence[str], at_least: int, dice: random.Random) -> list[str]:
    """The author's names first, and strangers only where there are too few."""
    names = list(dict.fromkeys(given))
    strangers = [name for name in dice.sample(stock, len(stock)) if name not in names]
    return names + strangers[: max(at_least - len(names), 0)]
