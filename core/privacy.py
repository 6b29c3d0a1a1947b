"""Personal data that must not be kept: found by validated patterns, replaced by what kind of thing stood there."""

import re
from collections.abc import Callable

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}(?:[^\W\d_]{2,24}|xn--[\w-]{2,59})(?![\w-])")
_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
    "YE30"
)
"""Countries of the IBAN registry (ISO 13616) with the length of theirs."""
_IBAN_SHAPES = "|".join(rf"{code[:2]}\d\d(?:[ -]?[A-Z0-9]){{{int(code[2:]) - 4}}}" for code in _IBAN_LENGTHS.split())
_IBAN = re.compile(rf"\b(?:{_IBAN_SHAPES})\b", re.IGNORECASE)
_CARD = re.compile(r"(?<![\w+.-])(?<![A-Za-z]{2}\d\d )[2-6](?:[ -]?\d){12,18}(?![\w-])")
_COUNTRY = (
    r"(?:1(?=\D*[2-9])|7|2[07]|3[0123469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|21[1-8]|22\d|23\d|24\d|25[0-8]|26\d|29[0179]|35\d|37[0-8]|38[0-9]|42[013]|50\d|59\d|67\d|68\d|69[0-2]"
    r"|80[08]|85[02356]|87[0-8]|88\d|96\d|97\d|99\d)"
)
"""Country calling codes (ITU-T E.164); an area in North America never begins with 0 or 1."""
_SEPARATOR = r"[ ()./-]{0,3}"
_PHONE = re.compile(
    rf"(?<![\w.])(?<!\d{{4}} )(?:\+{_SEPARATOR}{_COUNTRY}(?:{_SEPARATOR}\d){{6,13}}"
    rf"|00 ?{_COUNTRY}(?:{_SEPARATOR}\d){{8,12}}"
    r"|\(0\d{2,5}\) ?\d(?:[ /-]?\d){5,8}"
    r"|0[1-9]\d{1,4}(?: ?[/-] ?| )\d(?:[ -]?\d){5,8}"
    r"|0[1-9](?:[ .-]\d\d){4}"
    r"|0[1-9]\d{9}"
    r"|(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4})(?![\w-]|\.\d)"
)
_PLACEHOLDER = re.compile(r"\[(?:email|iban|card|phone)\]")


def scrub(text: str, public: str = "") -> str:
    """The text with e-mail addresses, IBANs, card and phone numbers replaced by [email] and so on.

    IBANs must have their country's length and pass ISO 7064 (mod 97), card numbers the Luhn sum, international phone
    numbers a country's code; national ones must be written as such: order numbers, dates and years stay, and so does
    what stands in `public`, word for word. Scrubbing twice changes nothing.
    """

    def replaced(kind: str, valid: Callable[[str], bool] = lambda found: True) -> Callable[[re.Match[str]], str]:
        return lambda match: f"[{kind}]" if match[0] not in public and valid(match[0]) else match[0]

    text = _EMAIL.sub(replaced("email"), text)
    text = _IBAN.sub(replaced("iban", _is_iban), text)
    text = _CARD.sub(replaced("card", _is_card), text)
    return _PHONE.sub(replaced("phone"), text)


def holds_personal_data(text: str) -> bool:
    """Whether something was found in a text, before it was scrubbed or after."""
    return bool(_PLACEHOLDER.search(text)) or scrub(text) != text


def _is_iban(text: str) -> bool:
    compact = re.sub("[ -]", "", text)
    digits = "".join(str(int(c, 36)) for c in compact[4:] + compact[:4])
    return int(digits) % 97 == 1


def _is_card(text: str) -> bool:
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    doubled = [d if n % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for n, d in enumerate(digits)]
    return sum(doubled) % 10 == 0
