"""Which languages a model understands, and what is said to the others."""

import csv
import json
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import Settings
from serving.languages import SENTENCES, Languages

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "xquad").is_dir(), reason="the public data is not here")
ENGLISH = Languages(["en"])


def asked(language):
    found = json.loads((DATA / "xquad" / f"xquad.{language}.json").read_text(encoding="utf-8"))["data"]
    return [qa["question"] for a in found for p in a["paragraphs"] for qa in p["qas"]]


def test_a_question_in_another_language_gets_a_sentence_in_it():
    said = {
        "¿Cuál es la capital de Francia?": "Solo entiendo inglés; por favor, pregúntame en ese idioma.",
        "Wo ist der nächste Bahnhof?": "Ich verstehe nur Englisch; bitte frag mich in dieser Sprache.",
        "今天天气怎么样？": "我只懂英语，请用这种语言提问。",
        "Как дела?": "Я понимаю только английский; пожалуйста, напишите на этом языке.",
        "Πού είναι ο σταθμός;": "I only understand English; please ask me in that language.",
    }
    assert {question: ENGLISH.decline(question) for question in said} == said
    both = Languages(["es", "de"])
    assert both.decline("What time is it in the office now?").startswith("I only understand Spanish or German;")
    assert not both.decline("Wo ist der nächste Bahnhof?") and not Languages([]).decline("今天天气怎么样？")


@pytest.mark.parametrize(
    "said", ["", "ok", "hello", "2+2", "😀", "asdf", "SELECT * FROM t", "https://a.example/b", "Hola"]
)
def test_what_may_be_anything_is_answered(said):
    assert not ENGLISH.decline(said)


@needs_data
def test_no_english_question_is_declined_and_hardly_a_spanish_or_chinese_one_is_answered():
    with (DATA / "banking77" / "test.csv").open(encoding="utf-8", newline="") as file:
        english = [row["text"] for row in csv.DictReader(file)] + asked("en")
    clinc = json.loads((DATA / "clinc150" / "data_small.json").read_text(encoding="utf-8"))
    english += [text for part in ("train", "test", "oos_test") for text, _ in clinc[part]]
    assert not [text for text in english if ENGLISH.decline(text)] and len(english) == 17_270
    for language, english_there, least in (("es", "inglés", 0.98), ("zh", "英语", 0.99)):
        sentence = SENTENCES[language].format(languages=english_there)
        questions = asked(language)
        assert sum(ENGLISH.decline(q) == sentence for q in questions) / len(questions) >= least


def test_the_settings_name_the_languages():
    assert Settings().languages == ("en",) and Settings(model="some/model").languages == ()
    assert Settings(model="some/model", model_languages="en, es").languages == ("en", "es")
    with pytest.raises(SettingsError, match="xx is not one of ar, bn"):
        Languages(["en", "xx"])
