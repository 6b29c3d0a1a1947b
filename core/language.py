"""In which language a text is, told from its letters: no model, and the same answer everywhere."""

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

TOLD_APART = frozenset("ar bn cs de el en es fa fr he hi hu id it ja ko nl pl pt ro ru sv th tr uk vi zh".split())
"""Languages that texts are thought to be in; rarer ones would only be mistaken for these."""


def ranked(text: str) -> dict[str, float]:
    """The probability of each language (ISO 639-1), the likeliest first."""
    return dict(_identifier().rank(text))


def language(text: str) -> str:
    """The language that a text is most likely in (ISO 639-1)."""
    return _identifier().classify(text)[0]


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(TOLD_APART)
    return identifier
