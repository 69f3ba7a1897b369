"""Finding the final answer in what a model wrote.

An explicit announcement ("the answer is", "Answer:") narrows the search to its sentence, then to
what follows it. There a number is the last number, because reasoning comes before a result; a
choice is the first of its words, because an explanation comes after it.
"""

from __future__ import annotations

import re

_ANNOUNCED = re.compile(r"(?:final answer|answer is|answer:|result is|result:)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.])[-+]?\d+(?:\.\d+)?")


def final_number(text: str) -> str | None:
    """The final number without thousands separators or an empty fraction; None without one."""
    for part in _parts(text):
        found = _NUMBER.findall(part)
        if found:
            number = found[-1].replace(",", "").lstrip("+")
            return re.sub(r"\.0+$", "", number)
    return None


def final_choice(text: str, choices: tuple[str, ...]) -> str | None:
    """The first of the choices that is named, spelled as in `choices`; None if none is."""
    words = re.compile(rf"\b(?:{'|'.join(map(re.escape, choices))})\b", re.IGNORECASE)
    for part in _parts(text):
        found = words.search(part)
        if found:
            return next(one for one in choices if one.lower() == found[0].lower())
    return None


def final_letter(text: str, choices: int) -> str | None:
    """The letter of the chosen option; None if none is named.

    The last announcement decides ("the answer is (C)", "Answer: C", a box); without one, an output
    that begins with a letter as an option does ("C.", "(C)", "C" alone), and at last the last
    letter in parentheses. A bare "A" or "I" within a sentence is a word.

    Args:
        text: the output.
        choices: how many options there are, from A.
    """
    letters = f"[A-{chr(64 + choices)}]"
    alone = re.fullmatch(rf"[(\[*\s]*({letters})[).\]*\s]*", text.upper())
    if alone:
        return alone[1]
    option = rf"[(\[{{*\s]*({letters})(?![A-Za-z'’])"
    word = r"(?:[Aa]nswer|ANSWER|[Oo]ption|[Cc]hoice|[Ll]etter)"
    announced = rf"{word}\**\s*(?:is)?\s*[:=]?\s*{option}"
    for pattern, last in (
        (rf"\\boxed\s*\{{\s*(?:\\text\s*\{{)?\s*\(?({letters})\)?\s*\}}", True),
        (announced, True),
        (rf"\A{option}\s*(?:[).\]:*]|\Z)", False),
        (rf"\(({letters})\)", True),
    ):
        found = list(re.finditer(pattern, text))
        if found:
            return found[-1 if last else 0][1]
    return None


def _parts(text: str) -> list[str]:
    """The rest of the sentence behind the last announcement, all behind it, then the whole text."""
    announced = list(_ANNOUNCED.finditer(text))
    if not announced:
        return [text]
    rest = text[announced[-1].end() :].lstrip()
    return [_SENTENCE_END.split(rest, maxsplit=1)[0], rest, text]
