"""What each kind of task checks of a reply, and how it scores it."""

import json

import pytest

from core.errors import InvalidInput
from kinds import KINDS, check_asked
from kinds.kind import Task
from kinds.qa import exact_match, f1
from kinds.structured import check_schema, sections
from kinds.summary import parts

QA, LABEL, SUMMARY, REPORT = (KINDS[name] for name in ("qa", "label", "summary", "report"))
SHIP = (
    "The ship Vasa sank in Stockholm in 1628. It had sailed for 1,300 metres. Thirty people died on board, and the "
    "king was away in Poland. It was raised on 24 April 1961, and stands in a museum since 1990."
)
SCHEMA = json.dumps({"type": "object", "properties": {"masts": {"type": "integer"}}, "required": ["masts"]})


def test_an_unknown_kind_is_named_beside_those_that_there_are():
    with pytest.raises(InvalidInput, match="no kind of task called 'poem'; choose one of chat, .*label, qa, report"):
        check_asked("poem")
    with pytest.raises(InvalidInput, match="checked"):
        check_asked("checked")


@pytest.mark.parametrize(
    ("reply", "exact", "overlap"),
    [
        ("The  Eiffel Tower.", 1, 1),
        ("the Eiffel Tower in Paris", 0, 2 * 2 / 6),
        ("Notre Dame", 0, 0),
        ("", 0, 0),
    ],
)
def test_answers_match_a_reference_as_in_squad(reply, exact, overlap):
    assert exact_match(reply, "Eiffel tower") == exact and f1(reply, "Eiffel tower") == pytest.approx(overlap)
    assert QA.score(reply, "Eiffel tower") == pytest.approx((exact + overlap) / 2)


def test_what_the_passages_support_of_an_answer_is_its_outcome():
    draft = "It opens at nine. It is famous for its cake. Dogs are welcome."

    def found(shown: str | None, sources=("Opens at nine.", "Dogs are welcome.")):
        return QA.check(Task("When does it open?", sources=sources, shown=shown), draft)

    two = found("It opens at nine. [1] Dogs are welcome. [1][2]\n\nFrom the sources:\n“Opens at nine.” [1]")
    assert (two.value, two.why, two.values) == (2 / 3, "partly_supported", {"supported": 2, "total": 3})
    assert found("It opens at nine. [1] Famous. [1] Dogs. [2]").why == "supported"
    assert found("From the sources:\n“Opens at nine.” [1]").why == "unsupported"
    assert found("It opens at nine. [7]").value == 0, "there is no seventh passage"
    assert found(draft, sources=()).why == "no_sources"
    assert found(None) is None and QA.check(Task("Thank you!", shown="Welcome."), "Welcome.") is None


def test_a_label_is_right_or_not_and_one_that_was_approved_is_known_when_it_is_learned():
    task = Task("My card is gone.", labels=("account", "transfer"))
    assert LABEL.choices(task) == ("account", "transfer") and "account, transfer" in LABEL.ending(task)
    assert LABEL.score("Transfer ", "transfer") == 1 and LABEL.score("account", "transfer") == 0
    assert LABEL.taught(task, "card").labels == ["account", "card", "transfer"]
    assert LABEL.taught(task, "account") is task and LABEL.taught(task, "unsure") is task
    assert LABEL.ending(Task("My card is gone.")) == "" and LABEL.check(task, "account") is None


@pytest.mark.parametrize(
    ("asked", "reply", "value", "why"),
    [
        ("In two sentences", "The Vasa sank in 1628. It was raised in 1961.", 1, "faithful"),
        ("In two sentences", "The Vasa sank. It was raised. It stands in a museum.", 2 / 3, "too_long"),
        ("Summarise in 5 words", "In Stockholm the Vasa sank in the year 1628.", 5 / 9, "too_long"),
        ("Summarise", "In 1629 the Vasa sank off Oslo on a Monday.", 1 / 4, "invented"),
        ("Summarise", "The Vasa sank with 30 people on board.", 1, "faithful"),
        ("Summarise", " ", 0, "no_summary"),
    ],
)
def test_a_summary_is_short_and_invents_nothing(asked, reply, value, why):
    found = SUMMARY.check(Task(f"{asked}: {SHIP}"), reply)
    assert (found.why, found.value) == (why, pytest.approx(value))


def test_what_a_summary_invents_is_named_as_it_is_written():
    found = SUMMARY.check(Task(SHIP), "In 1629 the Vasa sank off Oslo.")
    assert found.said == "Not in the text: 1629, Oslo." and found.values == {"facts": "1629, Oslo"}
    assert SUMMARY.check(Task(SHIP), " ".join([SHIP, SHIP])).values == {"length": 80, "limit": 15}


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        (f"Summarise this in 20 words.\n\n{SHIP}", SHIP),
        (f"{SHIP}\n\nSummarise that in one sentence", SHIP),
        (f"In fünfzig Wörtern zusammengefasst: {SHIP}", SHIP),
        (SHIP, SHIP),
    ],
)
def test_the_text_is_told_from_what_is_asked_of_it(instruction, text):
    assert parts(instruction)[1] == text


@pytest.mark.parametrize(
    ("asked", "most"),
    [
        ("Summarise in 1,000 words", "1000 words"),
        ("In 1.500 Wörtern", "1500 words"),
        ("Не более 1\u202f500 слов", "1500 words"),
        ("Resume en 1 500 palabras", "1500 words"),
        ("In twenty-five words", "25 words"),
        ("In at most two hundred words", "200 words"),
        ("In 2-3 sentences", "3 sentences"),
        ("In zwei kurzen Sätzen", "2 sentences"),
        ("In einem Satz", "1 sentence"),
        ("In 50 Worten", "50 words"),
        ("In fünfundzwanzig Wörtern", "25 words"),
        ("Resume en dos frases", "2 sentences"),
        ("En treinta y cinco palabras", "35 words"),
        ("В двух предложениях", "2 sentences"),
        ("Не более пятидесяти слов", "50 words"),
        ("请用两句话总结", "2 sentences"),
        ("用不超过一百五十个字概括", "150 characters"),
        ("1,500字以内", "1500 characters"),
    ],
)
def test_how_long_a_summary_may_be_is_read_in_five_languages(asked, most):
    for instruction in (f"{asked}: {SHIP}", f"{asked}\n\n{SHIP}", f"{SHIP}\n\n{asked}"):
        assert f"in at most {most}." in SUMMARY.ending(Task(instruction)) and parts(instruction)[1] == SHIP


@pytest.mark.parametrize(
    ("asked", "reply", "length", "limit"),
    [
        ("In einem Satz", "Die Vasa sank. Ärgerlich war das.", 2, 1),
        ("En una frase", "El Vasa se hundió. ¿Y la gente?", 2, 1),
        ("Одним предложением", "Корабль Васа затонул. Он стоит в музее.", 2, 1),
        ("用一句话总结", "瓦萨号沉没了。它被打捞了。", 2, 1),
        ("用五个字概括", "瓦萨号沉没了", 6, 5),
        ("总结", "瓦" * 40, 40, 26),
    ],
)
def test_what_is_too_long_is_told_in_five_languages(asked, reply, length, limit):
    found = SUMMARY.check(Task(f"{asked}：{reply} {reply}"), reply)
    assert found.values == {"length": length, "limit": limit}


def test_a_report_fits_its_schema_or_not():
    def found(reply: str, schema: str = SCHEMA):
        return REPORT.check(Task("Report on the ship.", schema=schema), reply)

    assert (found('{"masts": 3}').value, found('```json\n{"masts": 3}\n```').why) == (1, "valid")
    assert [found(reply).why for reply in ('{"masts": "three"}', "{}", '{"masts": 3', "three masts")] == [
        *("misfit", "misfit", "no_json", "no_json")
    ]
    assert found('{"masts": "three"}').values == {"field": "masts"} and found("{}").value == 0
    elsewhere = json.dumps({"$ref": "http://127.0.0.1:1/ship.json"})
    assert (found("{}", elsewhere).value, found("{}", elsewhere).values) == (0, {"field": "$ref"})
    assert "Its fields: masts." in REPORT.ending(Task("Report.", schema=SCHEMA)) and check_schema(SCHEMA) == SCHEMA
    for wrong in ("{", '{"type": "ship"}'):
        with pytest.raises(InvalidInput, match="no JSON schema"):
            check_schema(wrong)


def test_a_report_has_all_of_its_sections_or_is_invalid():
    task = Task("Write a report on ships with the sections Summary, Risks and Next steps. It is for children.")
    assert sections(task.instruction) == ["Summary", "Risks", "Next steps"] and "## Risks" in REPORT.ending(task)
    whole = "# Summary\nAll is well.\n## RISKS:\nNone.\n## 3. **Next steps**\nSail."
    assert REPORT.check(task, whole).value == 1
    some = REPORT.check(task, whole.replace("None.", "").replace("Next steps", "Later"))
    assert (some.value, some.values) == (0, {"sections": "Risks, Next steps"})
    below = "# Summary\n## Risks\n### Storms\nFew.\n## Next steps\nSail."
    assert REPORT.check(task, below).values == {"sections": "Summary"}, "what stands below Risks is no summary"
    assert REPORT.check(task, below.replace("# Summary", "# Summary\n## In short\nWell.", 1)).value == 1
    free = Task("Report on sections that the law has.")
    assert REPORT.check(free, "Anything.") is None and REPORT.ending(free) == ""


@pytest.mark.parametrize(
    "instruction",
    [
        "# Facts\n# Risks\nabout whales",
        "## Facts:\n## **Risks**",
        'Report with the sections "Facts", "Risks"',
        "Report with the sections Facts and Risks: the ship Vasa sank, and was raised",
        "With the sections Facts and Risks\n\n# Minutes\nWe met.\n\n# Next\nTo sail.",
        "# Minutes\nWe met.\n\nReport on that with the sections Facts and Risks.",
        "Write these sections:\n1. Facts\n2. Risks",
        "Write these sections:\n- Facts\n- Risks\n\nIt is for children.",
    ],
)
def test_a_report_of_the_sections_that_were_asked_for_is_valid(instruction):
    assert sections(instruction) == ["Facts", "Risks"]
    headings = REPORT.ending(Task(instruction)).splitlines()[1:]
    assert REPORT.check(Task(instruction), "\n".join(f"{heading}\nSome." for heading in headings)).value == 1


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, "valid"),
        ({"allOf": [{"patternProperties": {"^(a+)+$": {}}}], "unevaluatedProperties": False}, "valid"),
        ({"patternProperties": {r"\p{L}": {}}, "additionalProperties": False}, "valid"),
        ({"properties": {"b": {"patternProperties": {}}}, "additionalProperties": False}, "misfit"),
        ({"unevaluatedProperties": False}, "misfit"),
        ({"$ref": "#"}, "misfit"),
        ({"$schema": {}}, "misfit"),
        ({"$id": "http://[", "$ref": "x"}, "misfit"),
        ({"properties": 5}, "misfit"),
        (False, "misfit"),
        (True, "valid"),
    ],
)
def test_a_check_ends_and_never_raises_whatever_the_schema(schema, why):
    task = Task("Report.", schema=json.dumps(schema))
    found = REPORT.check(task, json.dumps({"a" * 60 + "!": 1}))
    assert (found.why, found.value) == (why, float(why == "valid")) and REPORT.ending(task)


def test_what_is_no_schema_is_refused_in_a_sentence_however_wrong_it_is():
    for wrong in ('{"$schema": {}}', '{"not": ' * 5000 + "{}" + "}" * 5000):
        with pytest.raises(InvalidInput, match="no JSON schema"):
            check_schema(wrong)


def test_a_frozen_prompt_is_graded_by_check_and_reference_together():
    task = Task(f"In two sentences: {SHIP}", shown="never looked at")
    right, wrong = "The Vasa sank in 1628.", "Another ship sank in 1629."
    assert SUMMARY.grade(task, right, right) == 1 and SUMMARY.grade(task, right, "") == 1
    assert SUMMARY.grade(task, wrong, right) < SUMMARY.score(wrong, right)
    assert KINDS["chat"].grade(Task(""), right, right) == 1 and LABEL.grade(Task(""), "a", "b") == 0
