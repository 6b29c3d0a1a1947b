"""Personal data that must not be learned: found by validated patterns, replaced by what kind of thing stood there."""

import re

_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_PHONE = re.compile(r"(?<![\w.])(?:\+|00)\d(?:[ ()/-]?\d){7,13}(?!\w)")


def scrub(text: str) -> str:
    """The text with e-mail addresses, IBANs, card and international phone numbers replaced by [email] and so on.

    IBANs must pass ISO 7064 (mod 97), card numbers the Luhn sum: order numbers and years stay.
    """
    text = _EMAIL.sub("[email]", text)
    text = _IBAN.sub(lambda m: "[iban]" if _is_iban(m[0]) else m[0], text)
    text = _CARD.sub(lambda m: "[card]" if _is_card(m[0]) else m[0], text)
    return _PHONE.sub("[phone]", text)


def _is_iban(text: str) -> bool:
    compact = text.replace(" ", "")
    digits = "".join(str(int(c, 36)) for c in compact[4:] + compact[:4])
    return int(digits) % 97 == 1


def _is_card(text: str) -> bool:
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    doubled = [d if n % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for n, d in enumerate(digits)]
    return sum(doubled) % 10 == 0
