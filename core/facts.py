"""The words of a sentence that must not be wrong: numbers, days, names, and whether it denies."""

import re

from core.sentences import STOPWORDS, stem, words

_SMALL = (
    "zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_NUMBERS = (
    {word: str(n if n == 0 else n + 1) for n, word in enumerate(_SMALL)}
    | {word: str(10 * n) for n, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), 3)}
    | {"dozen": "12", "hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000"}
    | {"twice": "2", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "tenth": "10"}
)
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTHS = "january february march april may june july august september october november december".split()
_SHORT = {day[:3]: day for day in _WEEKDAYS} | {m[:3]: m for m in _MONTHS if m not in ("march", "may")}
_SHORT |= {"tues": "tuesday", "thur": "thursday", "thurs": "thursday", "sept": "september"}
_TIMES = frozenset(
    """today tomorrow yesterday tonight morning noon afternoon evening night midnight midday
    christmas easter thanksgiving spring summer autumn winter""".split()
)
_SPANS = {"weekend": ("saturday", "sunday"), "weekday": tuple(_WEEKDAYS[:5]), "workday": tuple(_WEEKDAYS[:5])}
_RANGE = re.compile(
    rf"\b({'|'.join(_WEEKDAYS)})s?\s*(?:to|till|until|through|-|–)\s*({'|'.join(_WEEKDAYS)})", re.IGNORECASE
)
_CLOCK = re.compile(r"\b(\d{1,2}(?::\d\d)?|eight|nine|ten|seven|six)\s*(a\.?m\b|p\.?m\b)", re.IGNORECASE)
_IN_THE_WEEK = re.compile(r"\b(?:during|in) the week\b", re.IGNORECASE)
_AMBIGUOUS = re.compile(
    r"\b(?:in|of|until|till|by|since|from|during|before|after|on|\d+)\s+(march|may)\b", re.IGNORECASE
)
_CAPITALISED_MONTH = re.compile(r"(?<=[\w,] )(March|May)\b")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NEGATION = re.compile(r"\b(?:not|no|never|none|neither|nor|cannot|nobody|nothing)\b|n['’]t\b", re.IGNORECASE)
_TOKEN = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")


def numbers(text: str) -> set[str]:
    """Numbers in digits, whether written in digits or words; 1,000 is 1000 and 9:00 is 9."""
    found = {_NUMBERS[word] for word in words(text) if word in _NUMBERS}
    for number in _NUMBER.findall(text):
        plain = re.sub(r",(?=\d{3}\b)", "", number)
        plain = re.sub(r":00$", "", plain)
        plain = re.sub(r"(\.\d*?)0+$", r"\1", plain).rstrip(".,")
        found.add(plain.lstrip("0") or "0")
    return found


def days(text: str) -> set[str]:
    """Days, months, seasons and times of day, in full and in the singular; a weekend is its two days."""
    found = {match[1].lower() for match in _AMBIGUOUS.finditer(text)}
    found |= {match[1].lower() for match in _CAPITALISED_MONTH.finditer(text)}
    for word in words(text):
        one = word.removesuffix("'s").removesuffix("s") if word not in ("thurs", "tues", "christmas") else word
        one = _SHORT.get(one, one)
        if one in _SPANS:
            found |= set(_SPANS[one])
        elif one in _TIMES or one in _WEEKDAYS or (one in _MONTHS and one not in ("march", "may")):
            found.add(one)
    for first, last in _RANGE.findall(text):
        start, end = _WEEKDAYS.index(first.lower()), _WEEKDAYS.index(last.lower())
        found |= {_WEEKDAYS[n % 7] for n in range(start, end + 1 if end >= start else end + 8)}
    if _IN_THE_WEEK.search(text):
        found |= set(_WEEKDAYS[:5])
    return found | {"morning" if half[0] in "aA" else "afternoon" for _, half in _CLOCK.findall(text)}


def names(text: str) -> set[str]:
    """Stems of words that are written like names: capitals within a sentence, or letters mixed with digits."""
    found = set()
    tokens = list(_TOKEN.finditer(text))
    for n, token in enumerate(tokens):
        word = token[0]
        begins = n == 0 or bool(re.search(r"[.!?:\n\"“]\s*$", text[: token.start()]))
        followed = n + 1 < len(tokens) and tokens[n + 1][0][0].isupper()
        named = word[0].isupper() and (not begins or followed) and word.lower() not in STOPWORDS
        if named or (re.search(r"\d", word) and re.search(r"[^\W\d_]", word) and not re.match(r"\d+[a-z]+$", word)):
            found |= {stem(part) for part in words(word)}
    return {name for name in found if not name.isdigit() and name not in _NUMBERS}


def denies(text: str) -> bool:
    """Whether the sentence says that something is not so."""
    return len(_NEGATION.findall(text)) % 2 == 1


def missing(sentence: str, evidence: str) -> set[str]:
    """The sentence's numbers, days and names that do not stand in the evidence."""
    there = {stem(word) for word in words(evidence)}
    return (
        (numbers(sentence) - numbers(evidence))
        | (days(sentence) - days(evidence))
        | {name for name in names(sentence) if name not in there}
    )
