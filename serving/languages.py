"""The languages that a model understands: a question in another gets a sentence instead of a guess."""

from collections.abc import Collection

from babel import Locale
from babel.lists import format_list

from core.errors import SettingsError
from core.language import TOLD_APART, ranked

SENTENCES = {
    "ar": "أفهم {languages} فقط؛ من فضلك اكتب سؤالك بهذه اللغة.",
    "de": "Ich verstehe nur {languages}; bitte frag mich in dieser Sprache.",
    "en": "I only understand {languages}; please ask me in that language.",
    "es": "Solo entiendo {languages}; por favor, pregúntame en ese idioma.",
    "fr": "Je ne comprends que {languages} ; merci de poser votre question dans cette langue.",
    "it": "Capisco solo {languages}; per favore, scrivimi in quella lingua.",
    "ja": "{languages}しか分かりません。その言語で質問してください。",
    "ko": "저는 {languages}만 이해합니다. 그 언어로 질문해 주세요.",
    "nl": "Ik begrijp alleen {languages}; stel je vraag alsjeblieft in die taal.",
    "pl": "Rozumiem tylko {languages}; proszę, napisz w tym języku.",
    "pt": "Só entendo {languages}; por favor, pergunte nesse idioma.",
    "ru": "Я понимаю только {languages}; пожалуйста, напишите на этом языке.",
    "tr": "Yalnızca {languages} anlıyorum; lütfen o dilde yazın.",
    "uk": "Я розумію лише {languages}; будь ласка, напишіть цією мовою.",
    "zh": "我只懂{languages}，请用这种语言提问。",
}
"""What is said to a question in each language; in English where it is in none of these."""
UNLIKELY = 0.01
"""Probability of all of a model's languages together below which a question is in another. With English declared none
of 17,270 English questions is below it (CLINC150, Banking77, XQuAD), and 99.2 % of XQuAD's Spanish ones are."""


class Languages:
    """What a model understands, by ISO 639-1 codes; everything, where none is declared.

    Raises: SettingsError for a code of no language that can be told apart.
    """

    def __init__(self, declared: Collection[str]):
        unknown = sorted(set(declared) - TOLD_APART)
        if unknown:
            known = ", ".join(sorted(TOLD_APART))
            raise SettingsError(f"APPRENTICE_MODEL_LANGUAGES: {unknown[0]} is not one of {known}.")
        self._declared = tuple(declared)

    def decline(self, question: str) -> str:
        """The sentence to say to a question in a language that is not understood; empty where it is."""
        if not self._declared:
            return ""
        likely = ranked(question)
        if sum(likely[code] for code in self._declared) >= UNLIKELY:
            return ""
        language = next(iter(likely))
        return _sentence(language if language in SENTENCES else "en", self._declared)


def _sentence(language: str, declared: Collection[str]) -> str:
    locale = Locale(language)
    names = [locale.languages.get(code, code) for code in declared]
    return SENTENCES[language].format(languages=format_list(names, "or", locale=locale))
