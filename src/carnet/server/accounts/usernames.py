"""Usernames: the one form of each, which may be chosen, and which look alike.

Three questions are asked of a name:

- Whose is it? ``canonical_username``: case, width and white space around it make no difference.
- May somebody choose it? ``is_acceptable``: the UsernameCaseMapped profile of RFC 8265, in scripts
  that are in everyday use, and of one script unless a language writes in several (UTS 39, section
  5.2, "highly restrictive").
- Does it look like another? ``skeleton``: two names with the same one do (UTS 39, section 4).

Only new names are held to the last two: whoever has an account goes on signing in.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["MAX_USERNAME", "canonical_username", "is_acceptable", "skeleton"]

MAX_USERNAME: Final = 128

# RFC 8264 section 4.2: letters, digits and marks. ASCII punctuation is accepted apart from them.
_CATEGORIES: Final = frozenset(("Ll", "Lu", "Lo", "Lm", "Mn", "Mc", "Nd"))

# Letters and marks that RFC 8264 refuses: those that are drawn as nothing (Default_Ignorable),
# the parts of old Hangul syllables, and RFC 5892's exceptions, which stretch or repeat a letter.
_REFUSED: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
    "\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb"
    "\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]"
)

# The Latin letters in which living languages are written; the others are phonetic or historic, and
# many of them look like those (UTS 39 section 3.1).
_LATIN: Final = re.compile("[a-z\u00df-\u024f\u1e00-\u1effɓɔɖɗəɛɠɣɨɩɪɯɲʃʉʊʋʌʒ]")

# The script of a character is the first word of its name. These are in everyday use (UAX 31,
# table 5); of the others, whole names can be drawn that look like Latin ones.
_SCRIPTS: Final = {
    name: name
    for name in (
        *("ARABIC", "ARMENIAN", "BENGALI", "BOPOMOFO", "CJK", "CYRILLIC", "DEVANAGARI"),
        *("ETHIOPIC", "GEORGIAN", "GREEK", "GUJARATI", "GURMUKHI", "HANGUL", "HEBREW"),
        *("HIRAGANA", "KANNADA", "KATAKANA", "KHMER", "LAO", "LATIN", "MALAYALAM", "MYANMAR"),
        *("ORIYA", "SINHALA", "TAMIL", "TELUGU", "THAANA", "THAI", "TIBETAN"),
    )
} | {
    "ARABIC-INDIC": "ARABIC",
    "EXTENDED": "ARABIC",
    "IDEOGRAPHIC": "CJK",
    "KATAKANA-HIRAGANA": "KATAKANA",
}

# Accents, and the marks of voiced kana: they belong to the letter that they stand on.
_ACCENTS: Final = re.compile("[\u0300-\u034e\u0350-\u035b\u3099\u309a]")
# Marks that are easily missed where they make no letter of their own.
_EASILY_MISSED: Final = ("COMBINING", "ARABIC", "HEBREW")

# The languages that are written in several scripts: Japanese, Chinese and Korean.
_TOGETHER: Final = (
    frozenset(("LATIN", "CJK", "HIRAGANA", "KATAKANA")),
    frozenset(("LATIN", "CJK", "BOPOMOFO")),
    frozenset(("LATIN", "CJK", "HANGUL")),
)

MAX_MARKS: Final = 4

# What looks like each of these, among the letters that may be chosen or once could be.
_LOOKS_LIKE: Final = {
    "a": "аαɑᴀᎪ",
    "ae": "æӕ",
    "b": "вьβƅʙᏏᏴ",
    "c": "сϲᴄᏟ",
    "d": "ԁᴅᎠᏧ",
    "e": "еєεҽᴇᎬ",
    "f": "ϝƒꜰ",
    "g": "ցɡԍɢᏀ",
    "h": "һнհʜᎻᏂ",
    "i": "іιɩıɪᎥ",
    "j": "јϳյȷᴊᎫ",
    "k": "кκĸҝᴋᏦ",
    "l": "ӏǀ1|ןוاլʟᏞ",
    "m": "мϻᴍᎷ",
    "n": "пηπոռɴ",
    "o": "оοσօסهہەჿഠംంဝዐ0ᴏ",
    "oe": "œ",
    "p": "рρϸƿᴘᏢ",
    "q": "ԛզ",
    "r": "гʀᎡᏒ",
    "s": "ѕƽꜱᏚ",
    "t": "тτᴛᎢ",
    "u": "υμսʋʊᴜሀ",
    "v": "νѵᴠᏙ",
    "w": "ԝѡωաᴡᎳᏔ",
    "x": "хχ",
    "y": "уүγƴʏᎩᎽ",
    "z": "ζᴢᏃ",
    "2": "ƨ",
    "3": "зӡȝʒɜ",
    "8": "ȣ",
    "-": "ー一ㄧ",
    "/": "ノ丿",
    "へ": "ヘ",
    "エ": "工",
    "オ": "才",
    "カ": "力",
    "タ": "夕",
    "チ": "千",
    "ト": "卜",
    "ニ": "二",
    "ハ": "八",
    "リ": "り",
    "ロ": "口",
    "ی": "يى",
    "ک": "ك",
}
# Two letters that run together look like one.
_RUN_TOGETHER: Final = {"m": "rn", "w": "vv"}


def _shapes() -> dict[int, str]:
    shapes = {ord(other): shape for shape, others in _LOOKS_LIKE.items() for other in others}
    for code, shape in shapes.items():
        shapes[code] = _RUN_TOGETHER.get(shape, shape)
    return shapes | {ord(one): two for one, two in _RUN_TOGETHER.items()}


_SHAPES: Final = _shapes()


def canonical_username(username: str) -> str:
    """Give the one form under which a username is kept, or "" where it can be nobody's."""
    name = unicodedata.normalize("NFKC", username.strip()).casefold()
    name = unicodedata.normalize("NFKC", name)
    if not 1 <= len(name) <= MAX_USERNAME or not name.isprintable() or " " in name:
        return ""
    return name


def is_acceptable(name: str) -> bool:
    """Tell whether somebody may choose a username, given in its canonical form (RFC 8265)."""
    scripts: set[str] = set()
    for character in name:
        script: str | None = "LATIN" if character.isalpha() else ""
        if not character.isascii():
            script = _script(character)
        if script is None:
            return False
        scripts.add(script)
    scripts.discard("")
    is_one = len(scripts) <= 1 or any(scripts <= some for some in _TOGETHER)
    return bool(name) and is_one and _has_marks_in_place(name) and _reads_one_way(name)


def skeleton(name: str) -> str:
    """Give what a username, in its canonical form, looks like; never a text with a space."""
    drawn = []
    for character in unicodedata.normalize("NFD", name):
        digit = unicodedata.digit(character, None)
        shown = character if digit is None else str(digit)
        drawn.append(shown.translate(_SHAPES))
    # An accent that makes no letter of its own is easily missed.
    composed = unicodedata.normalize("NFC", "".join(drawn))
    return "".join(one for one in composed if not _is_loose(one)) or composed


def _script(character: str) -> str | None:
    """Give the script of a character, "" for one of none; None where it may not be chosen."""
    if unicodedata.category(character) not in _CATEGORIES or _REFUSED.match(character):
        return None
    if _ACCENTS.match(character):
        return ""
    script = _SCRIPTS.get(unicodedata.name(character, "").partition(" ")[0])
    if script == "LATIN" and not _LATIN.match(character):
        return None
    return script


def _has_marks_in_place(name: str) -> bool:
    """Tell whether each mark has a letter, is written once, and not in a tower (UTS 39, 5.4)."""
    marks, before = 0, ""
    for character in unicodedata.normalize("NFD", name):
        marks = marks + 1 if unicodedata.category(character) == "Mn" else 0
        if marks and (not before or character == before or marks > MAX_MARKS):
            return False
        before = character
    return True


def _is_loose(character: str) -> bool:
    is_mark = unicodedata.combining(character) != 0
    return is_mark and unicodedata.name(character, "").startswith(_EASILY_MISSED)


def _reads_one_way(name: str) -> bool:
    """Tell whether a name from right to left stays in order (RFC 5893 section 2)."""
    kinds = [unicodedata.bidirectional(character) for character in name]
    if not {"R", "AL", "AN"}.intersection(kinds):
        return True
    ends = [kind for kind in kinds if kind != "NSM"]
    return (
        kinds[0] in ("R", "AL")
        and ends[-1] in ("R", "AL", "EN", "AN")
        and not {"EN", "AN"} <= set(kinds)
        and "L" not in kinds
    )
