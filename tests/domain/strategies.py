"""What properties are tried on: small alphabets and few passages that hold all the rules tell apart."""

from __future__ import annotations

from hypothesis import strategies as st

CHARACTERS = "ab Z09_-'’.!?\n\t\u3000字说。，のガ가éÅ\u0301\u0308\u200b𠮷🜂"
texts = st.text(CHARACTERS, max_size=40)

PASSAGES = [
    "",
    " \n",
    "Mira opened the door.",
    "abcd",
    "word " * 37,
    "x" * 120,
    "She slept.\n\nThe door was open.\n" * 9,
    "米拉听见钥匙在嗡鸣。",
    "雾" * 81,
    ">>>>\n<<< Jon {words} >>>",
]
passages = st.sampled_from(PASSAGES)
