"""Summaries of a given text: short enough, and with no number, date or name that does not stand in it."""

import re

from core.facts import days, names, numbers
from core.language import language
from core.sentences import sentences, stem, words
from kinds.chat import token_f1
from kinds.kind import Finding, Kind, Loss, Task

SHARE = 3
"""Without a limit in the instruction a summary has at most one word for so many of the text."""
LEAST_WORDS = 15
"""A summary of a short text may have so many words in any case."""
_FORMS = {
    1: "one ein eine einem einer einen un una один одна одно одного одном одной одним одну",
    2: "two zwei dos два две двух двумя",
    3: "three drei tres три трёх трех тремя",
    4: "four vier cuatro четыре четырёх четырех четырьмя",
    5: "five fünf cinco пять пяти пятью",
    6: "six sechs seis шесть шести шестью",
    7: "seven sieben siete семь семи семью",
    8: "eight acht ocho восемь восьми восемью",
    9: "nine neun nueve девять девяти девятью",
    10: "ten zehn diez десять десяти десятью",
    12: "twelve zwölf doce двенадцать двенадцати",
    15: "fifteen fünfzehn quince пятнадцать пятнадцати",
    20: "twenty zwanzig veinte veinti двадцать двадцати",
    30: "thirty dreißig dreissig treinta тридцать тридцати",
    40: "forty vierzig cuarenta сорок сорока",
    50: "fifty fünfzig cincuenta пятьдесят пятидесяти",
    60: "sixty sechzig sesenta шестьдесят шестидесяти",
    70: "seventy siebzig setenta семьдесят семидесяти",
    80: "eighty achtzig ochenta восемьдесят восьмидесяти",
    90: "ninety neunzig noventa девяносто девяноста",
    100: "hundred hundert cien сто ста",
    200: "doscientas двести двухсот",
    300: "trescientas триста трёхсот трехсот",
    500: "quinientas пятьсот пятисот",
}
"""Numbers as words, in the cases that stand before words and sentences."""
_NUMBERS = {form: number for number, forms in _FORMS.items() for form in forms.split()}
_HAN_NUMBERS = {**dict(zip("一二三四五六七八九", range(1, 10), strict=True)), "两": 2, "兩": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_DIGITS = r"\d{1,3}(?:[.,'’\s]\d{3})+(?!\d)|\d+"
_NUMBER = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_SHORT = r"(?:(?:short|brief|kurze[nr]?|коротк\w+|кратк\w+)\s+)?"
_LIMIT = re.compile(
    rf"\b(?P<count>{_DIGITS}|(?:{_NUMBER})(?:(?:[\s-]|and|und|y)*(?:{_NUMBER}))*)[\s-]{_SHORT}"
    r"(?:words?|w[oö]rt(?:e|en|er|ern)?|palabras?|слов\w*"
    r"|(?P<sentences>sentences?|s[aä]tz(?:e|en)?|frases?|oraci(?:ón|ones)|предложени\w+))\b"
    rf"|(?P<han>(?<!\d)(?:{_DIGITS})|[{''.join([*_HAN_NUMBERS, *_HAN_UNITS])}]+)"
    r"\s*[个個]?(?:[汉漢]?字|词|詞|(?P<clauses>句))",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:summar(?:y|i[sz]e)|shorten|tl;?dr|abstract|sum up|in short|zusammen|res[uú]m|кратк|резюм)"
    r"|总结|總結|概括|概述|摘要|归纳|歸納|缩写|縮寫",
    re.IGNORECASE,
)
_COLON = re.compile("[:：]")
_CHARACTER = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_WORD = re.compile(r"[^\W_]+(?:[-.,:'’/][^\W_]+)*")


class Summary(Kind):
    """The outcome is how far it keeps to its length, times the share of its facts that stand in the text."""

    name = "summary"
    measure = "token F1"
    loss: Loss = "mean squared error"
    whys = ("faithful", "too_long", "invented", "no_summary")
    alone = True

    def ending(self, task: Task) -> str:
        """What a summary is, and how long."""
        return f"Write only the summary, in at most {_limit(task.instruction)}. Use only what the text says."

    def check(self, task: Task, reply: str) -> Finding | None:
        """Whether it is short enough, and which of its facts the text does not have."""
        if not words(reply):
            return Finding(0.0, "no_summary", "There is no summary.")
        _, text = parts(task.instruction)
        evidence = "\n".join([text, *task.sources])
        share, invented = _facts(reply, evidence)
        limit = _limit(task.instruction)
        length = limit.of(reply)
        value = min(1.0, limit.count / length) * share
        if invented:
            listed = ", ".join(invented)
            return Finding(value, "invented", f"Not in the text: {listed}.", values={"facts": listed})
        if length > limit.count:
            said = f"{length} {limit.unit}, where {limit.count} are the most."
            return Finding(value, "too_long", said, values={"length": length, "limit": limit.count})
        return Finding(value, "faithful", "Short enough, and every number, date and name stands in the text.")

    def score(self, reply: str, reference: str) -> float:
        """Overlap of words."""
        return token_f1(reply, reference)


class _Limit:
    """How long a summary may be, in words, in characters of Chinese or Japanese, or in sentences."""

    def __init__(self, count: int, unit: str):
        self.count, self.unit = count, unit

    def __str__(self) -> str:
        return f"{self.count} {self.unit if self.count > 1 else self.unit.removesuffix('s')}"

    def of(self, reply: str) -> int:
        """How long a reply is in this unit."""
        return len(sentences(reply)) if self.unit == "sentences" else _size(reply)


def parts(instruction: str) -> tuple[str, str]:
    """What an instruction asks, and the text that it is about.

    What asks is the first or the last paragraph, or what stands before the first colon, where it speaks of a summary
    or of a length; else all of it is the text.
    """
    head, _, rest = instruction.strip().partition("\n")
    if not (rest and _asks(head)):
        before, *after = _COLON.split(instruction, maxsplit=1)
        head, rest = (before, after[0]) if after and "\n" not in before and _asks(before) else ("", instruction)
    body, _, tail = rest.strip().rpartition("\n")
    if body and not head and _asks(tail):
        head, rest = tail, body
    return head.strip(), rest.strip()


def _asks(text: str) -> bool:
    return _size(text) <= 30 and bool(_ASKS.search(text) or _LIMIT.search(text))


def _size(text: str) -> int:
    """The words of a text, where each character of Chinese or Japanese counts as one."""
    return len(words(_CHARACTER.sub(r" \g<0> ", text)))


def _limit(instruction: str) -> _Limit:
    asked, text = parts(instruction)
    found = _LIMIT.search(asked)
    if found is None:
        counted = "characters" if 2 * len(_CHARACTER.findall(text)) > _size(text) else "words"
        return _Limit(max(LEAST_WORDS, _size(text) // SHARE), counted)
    if found["han"]:
        return _Limit(max(1, _in_characters(found["han"])), "sentences" if found["clauses"] else "characters")
    return _Limit(max(1, _in_words(found["count"])), "sentences" if found["sentences"] else "words")


def _in_digits(number: str) -> int | None:
    """A number in digits, whatever parts its thousands; None where it is in words."""
    digits = re.sub(r"\D", "", number)
    return int(digits) if digits else None


def _in_words(number: str) -> int:
    """A number in digits or words: "1,500", "twenty-five", "zweihundert", "treinta y cinco"."""
    total = 0
    for word in re.findall(f"und|{_NUMBER}", number.lower()):
        if word == "und":
            continue
        total = total * 100 if total and _NUMBERS[word] == 100 else total + _NUMBERS[word]
    return total if (exactly := _in_digits(number)) is None else exactly


def _in_characters(number: str) -> int:
    """A number in digits or in Chinese: "100", "二十五", "两百"."""
    total = digit = 0
    for character in number:
        if character in _HAN_UNITS:
            total, digit = total + (digit or 1) * _HAN_UNITS[character], 0
        else:
            digit = _HAN_NUMBERS.get(character, 0)
    return total + digit if (exactly := _in_digits(number)) is None else exactly


def _facts(reply: str, evidence: str) -> tuple[float, list[str]]:
    """The share of a summary's facts that stand in the evidence, and the others as they are written, in order.

    Capitals tell names from other words in English only.
    """
    named = names(reply) if language(evidence) == "en" else set()
    there = {stem(word) for word in words(evidence)}
    claimed = numbers(reply) | days(reply) | named
    lacking = (numbers(reply) - numbers(evidence)) | (days(reply) - days(evidence)) | (named - there)
    if not lacking:
        return 1.0, []
    said = [
        word
        for word in dict.fromkeys(_WORD.findall(reply))
        if lacking & (numbers(word) | days(word) | {stem(part) for part in words(word)})
    ]
    return 1 - len(lacking) / len(claimed), said or sorted(lacking)
