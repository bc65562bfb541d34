"""The demo tenant's two small novels, written for it."""

from __future__ import annotations

from dataclasses import dataclass

from domain.story import CodexKind


@dataclass(frozen=True, slots=True)
class Entry:
    kind: CodexKind
    name: str
    summary: str
    aliases: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    always: bool = False


@dataclass(frozen=True, slots=True)
class Chapter:
    title: str
    plan: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Novel:
    title: str
    language: str
    genre: str
    premise: str
    style_guide: str
    target_words: int
    arc: str
    codex: tuple[Entry, ...]
    relations: tuple[tuple[str, str, str], ...]
    chapters: tuple[Chapter, ...]


_TIDE_ONE = """\
The bell of Saint Orla had not rung in eleven years, and so when it rang at half past four on the last morning of \
October, Ines Varro put down the lamp glass she was polishing and counted.

Nine. Ten. Eleven.

It stopped there, one short of the hour it was not. She went to the gallery. The fog lay on the water like a lid. \
Below it the ebb was running out over the flats, as it did twice a day, and as it did not, by any table she owned, at \
half past four on the last morning of October.

"You heard it," said Tobiah from the stair. He was in his nightshirt with his boots on, which was how he met most \
emergencies.

"I heard a rope that wants replacing."

"There is no rope. You burned it, the winter the coal boat didn't come." He came and stood beside her and looked at \
the place where the drowned village would be, if one could see it. "Eleven," he said. "That's how many went down with \
the church."

She did not answer. Out on the flats, where there should have been nine feet of sea, someone was carrying a light."""

_TIDE_TWO = """\
By the time the sun had burned a hole in the fog, the water was back where the tables wanted it, and there was nothing \
on the flats to show that it had ever left but a line of prints, filling.

Ines measured them with the brass rule. A long stride, a heavy heel; barefoot. They came from the seaward side and they \
ended at the foot of the light, at the door that she had bolted herself.

"The harbour office will want a report," Tobiah said.

"The harbour office will want me to have been drinking." She wiped the rule and put it away. In her apron pocket the \
tide key lay against her hip, cold as it always was, and for the first time in her life she thought that it was \
heavier than it had been the day before."""

_LANTERN_ONE = """\
雨下到第三天，桐安城的河灯还是照常放了。

沈砚站在石桥上数灯。往年是九十九盏，一盏不多，一盏不少，从上游的渡口放下来，到桥下刚好熄灭，这是老规矩。今年他数到一百。

多出来的那一盏走得很慢，灯罩是旧的，糊的是十年前官府用的青麻纸。它逆着水，停在桥墩旁边，像是在等人。

“沈录事，”身后有人叫他，是更夫老葛，“你也看见了？”

“看见什么？”

老葛把梆子抱在怀里，声音压得很低：“那盏灯上写着字。我不识字，可我认得那个人的名字怎么写——我替他抬过棺材。”

沈砚没有回头。他弯下腰，借着水光，看清了灯罩上的两个字：沈墨。

那是他哥哥的名字。"""

NOVELS: tuple[Novel, ...] = (
    Novel(
        title="The Tide Key",
        language="en",
        genre="Coastal mystery",
        premise=(
            "On an island whose tides have begun to keep their own hours, a lighthouse keeper who inherited an iron "
            "key must find out what the sea is returning, before it returns all of it."
        ),
        style_guide=(
            "Past tense, close third person on Ines. Plain words, dry humour, concrete things. Short scenes that end "
            "on an image. No dreams, no prophecies, no adverbs in dialogue tags."
        ),
        target_words=80_000,
        arc="Part one: Slack water",
        codex=(
            Entry(
                CodexKind.CHARACTER,
                "Ines Varro",
                "Keeper of the Saint Orla light, forty-one, exact and unsentimental. She does not believe in the key.",
                ("Ines", "the keeper"),
                (("age", "41"), ("carries", "the tide key, in her apron pocket")),
                True,
            ),
            Entry(
                CodexKind.CHARACTER,
                "Tobiah Renn",
                "Her assistant, a former ship's carpenter. Knows every drowning on the island by its date.",
                ("Tobiah",),
                (("age", "67"),),
            ),
            Entry(
                CodexKind.PLACE,
                "Saint Orla",
                "A village that the sea took in one night, church and all. Its roofs show at the lowest ebb.",
                ("the drowned village",),
                (("lost", "eleven people"),),
            ),
            Entry(
                CodexKind.ITEM,
                "the tide key",
                "An iron key that fits no lock on the island. It is always cold, and has begun to grow heavier.",
                ("iron key",),
            ),
            Entry(
                CodexKind.RULE,
                "The tables",
                "The printed tide tables have been right for a century. Every wrong tide is a debt called in.",
                ("tide tables",),
            ),
        ),
        relations=(
            ("Tobiah Renn", "assistant of", "Ines Varro"),
            ("Ines Varro", "owner of", "the tide key"),
        ),
        chapters=(
            Chapter("The Eleventh Stroke", "A bell that cannot ring rings. Someone walks on the sea bed.", _TIDE_ONE),
            Chapter("Prints", "Ines measures the footprints and finds that they lead to her own door.", _TIDE_TWO),
            Chapter(
                "What the Ebb Left",
                "At the next wrong tide Ines and Tobiah walk out to Saint Orla. The church door has a new lock.",
            ),
        ),
    ),
    Novel(
        title="第一百盏河灯",
        language="zh",
        genre="古风悬疑",
        premise="桐安城每年放九十九盏河灯。今年多了一盏，灯上写着一个死了十年的人的名字。",
        style_guide="第三人称，限沈砚视角。语言简净，多用白描，少用形容词。对话要短。每一节以一个画面收尾。",
        target_words=200_000,
        arc="卷一 · 逆水",
        codex=(
            Entry(
                CodexKind.CHARACTER,
                "沈砚",
                "桐安府衙的录事，二十九岁，记性极好，话少。十年前兄长之死由他亲笔录案。",
                ("沈录事",),
                (("年龄", "二十九"), ("随身", "一支秃笔")),
                True,
            ),
            Entry(
                CodexKind.CHARACTER,
                "沈墨",
                "沈砚的兄长，河工，十年前溺亡，棺中其实无人。",
                (),
                (("状态", "生死不明"),),
            ),
            Entry(CodexKind.CHARACTER, "老葛", "更夫，不识字，替沈墨抬过棺材。", ("葛更夫",)),
            Entry(CodexKind.PLACE, "桐安城", "临河小城，一座石桥，一处旧渡口。", ("桐安",)),
            Entry(CodexKind.RULE, "九十九盏", "河灯只放九十九盏，多一盏，便要还一个人。", ("河灯",)),
        ),
        relations=(("沈墨", "兄长", "沈砚"), ("老葛", "抬棺人", "沈墨")),
        chapters=(
            Chapter("多出来的一盏", "沈砚在桥上数到第一百盏灯，看见兄长的名字。", _LANTERN_ONE),
            Chapter("青麻纸", "沈砚去查灯纸的来历，纸坊十年前就烧了，账册却是新的。"),
        ),
    ),
)
