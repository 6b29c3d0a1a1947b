"""Text into sentences, and sentences into the words that carry their meaning."""

import re

_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|jr|sr|no|nos|vs|etc|e\.g|i\.e|cf|approx|ca|fig|vol|inc|ltd|co|corp|dept|est|gen|rev"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)|(?:^|[\s(.])[^\W\d_])\.$",
    re.IGNORECASE,
)
_BORDER = re.compile(r"[.!?…]+[\"'”’»)\]]*\s+(?=[\"'“‘«„¿¡(\[]*[A-Z0-9À-ÖØ-ÞА-ЯЁ])|[。！？]")
_HEADING = re.compile(r"#{1,6}\s")
_MARKER = re.compile(r"^\s*(?:[-*+•]|\d{1,2}[.)])\s+")
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+\d[^\W_]*|[^\W\d_]+(?:['’][^\W\d_]+)*")

_PLURALS = (
    *(("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("ies", "y")),
    *(("ied", "y"), ("ss", "ss"), ("us", "us"), ("s", "")),
)
_INFLECTIONS = (("ingly", 3), ("edly", 3), ("ing", 3), ("ed", 3), ("ly", 4))
_SHORT_ROOT = re.compile(r"[^aeiou][aeiouy][^aeiouwxy]")
WRAPPED = 50
"""A line of at least this many characters that ends in mid-sentence was broken by its width, not by its author."""
STOPWORDS = frozenset(
    """a about above after again all also am an and any are aren't as at be because been before being below between
    both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each few for from
    further had has have having he her here hers him his how i i'm if in into is isn't it it's its itself just let me
    more most my no nor not now of off on once only or other our ours out over own please same shall she should so
    some such tell than that that's the their theirs them then there these they this those through to too under until
    up us very was wasn't we were weren't what what's when where which while who whom whose why will with won't would
    you your yours yes ok okay""".split()
)
SMALL_TALK = frozenset(
    """hi hello hey hiya greetings morning afternoon evening night day good thanks thank thx cheers welcome bye goodbye
    later nice great cool fine sorry yeah yep nope today meet much""".split()
)
_LEANING = frozenset("it its they them their he she him his her these those one ones".split())
_FOLLOWING = re.compile(r"\s*(?:and|but|or|so|then|also|what about|how about|why not)\b", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, list items as sentences of their own, headings left out."""
    found = []
    for line in _unwrapped(text):
        if line and not _HEADING.match(line):
            found += _split(_MARKER.sub("", line).strip())
    return found


def words(text: str) -> list[str]:
    """Lower-case words and numbers, in order."""
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order: no stopwords."""
    return [stem(word) for word in words(text) if word not in STOPWORDS]


def is_small_talk(text: str) -> bool:
    """Whether a message only greets, thanks or takes leave."""
    said = words(text)
    return bool(said) and any(w in SMALL_TALK for w in said) and all(w in SMALL_TALK | STOPWORDS for w in said)


def stands_alone(question: str) -> bool:
    """Whether a question can be understood without what was said before it, as far as its English words tell."""
    if _FOLLOWING.match(question):
        return False
    return len(set(content_stems(question))) >= (4 if _LEANING & set(words(question)) else 2)


def stem(word: str) -> str:
    """A word without its English inflection (after the first step of Porter 1980): for matching only."""
    word = word.removesuffix("'s")
    if len(word) <= 3 or not word.isalpha():
        return word
    for ending, rest in _PLURALS:
        if word.endswith(ending):
            word = word[: -len(ending)] + rest
            break
    for ending, least in _INFLECTIONS:
        root = word.removesuffix(ending)
        if root != word and len(root) >= least and re.search(r"[aeiouy]", root):
            word = root[:-1] if root[-1] == root[-2] and root[-1] not in "aeiouls" else root
            word += "e" if ending in ("ing", "ed") and _SHORT_ROOT.fullmatch(root) else ""
            break
    if len(word) > 5 and word.endswith("ll"):
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _unwrapped(text: str) -> list[str]:
    """Lines, those joined that a hard line break cut in mid-sentence, as PDF and wrapped text files have them."""
    found: list[str] = []
    for line in map(str.strip, text.splitlines()):
        before = found[-1] if found else ""
        starts = not line or _HEADING.match(line) or _MARKER.match(line) or line.startswith("|")
        ends = not before or _HEADING.match(before) or before.startswith("|") or before[-1] in '.!?:;…"”)'
        wrapped = len(before) >= WRAPPED or (line[:1].islower() and len(before) >= WRAPPED // 2)
        if starts or ends or not wrapped:
            found.append(line)
        else:
            found[-1] = f"{before} {line}"
    return found


def _split(line: str) -> list[str]:
    found, start = [], 0
    for border in _BORDER.finditer(line):
        if _ABBREVIATION.search(line[start : border.start() + 1]):
            continue
        found.append(line[start : border.end()].strip())
        start = border.end()
    return [*found, line[start:].strip()] if line[start:].strip() else found
