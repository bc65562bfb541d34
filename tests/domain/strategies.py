"""What properties are tried on: letters of every kind that the rules tell apart, from small alphabets."""

from __future__ import annotations

from hypothesis import strategies as st

CHARACTERS = "ab Z09_-'’.!?\n\t\u3000字说。，のガ가éÅ\u0301\u0308\u200b𠮷🜂"
texts = st.text(CHARACTERS, max_size=40)
words = st.text("abcdeé", min_size=1, max_size=7)
paragraphs = st.lists(words, max_size=40).map(" ".join)
chinese = st.text("我在雾里听见钥匙。，“”", max_size=60)
prose = paragraphs | chinese
