"""Chinese names in Latin letters, so that 深圳华信科技 and Shenzhen Huaxin Technology can meet."""

import re
from functools import lru_cache

_HAN = re.compile("[一-鿿㐀-䶿]")
_WORDS = {
    "信息技术": "information technology",
    "进出口": "import export",
    "科技": "technology",
    "技术": "technology",
    "贸易": "trading",
    "商贸": "trading",
    "电子": "electronics",
    "电器": "electric",
    "机械": "machinery",
    "食品": "foods",
    "物流": "logistics",
    "纺织": "textiles",
    "医药": "pharma",
    "建材": "building materials",
    "集团": "group",
    "实业": "industrial",
    "国际": "international",
    "软件": "software",
    "化工": "chemical",
    "汽车": "auto",
    "工程": "engineering",
    "投资": "investment",
    "包装": "packaging",
    "服装": "garments",
    "家具": "furniture",
}
"""What companies write in English where the rest of their name is spelt."""
_word = re.compile("|".join(sorted(_WORDS, key=len, reverse=True)))


def has_han(text: str) -> bool:
    return not text.isascii() and _HAN.search(text) is not None


@lru_cache(16384)
def romanise(text: str) -> str:
    """The text in Latin letters, a word for every word and syllable; Latin text is itself."""
    if not has_han(text):
        return text
    # Its dictionaries take a sixth of a second to load, which most commands have no use of.
    from pypinyin import lazy_pinyin

    translated = _word.sub(lambda found: f" {_WORDS[found[0]]} ", text)
    return " ".join(" ".join(lazy_pinyin(part)) for part in translated.split())
