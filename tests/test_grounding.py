"""Only what the passages say is said as the model's; the rest is quoted, and each mark leads to its sentence."""

import pytest
from knowledge import embedder, shown

from core.facts import days, denies, missing, names, numbers
from core.records import Passage
from retrieval.grounding import QUOTES_HEADING, Grounding

HOURS = Passage(
    "p1",
    "hours.md",
    "Handbook › Repair café",
    "## Repair café\nThe repair café opens at 9:30 on Saturdays. Jonas fixes bicycles there. It is not open in August.",
    0.7,
)
FEES = Passage("p2", "fees.md", "Handbook › Fees", "A repair costs 15 euros. Members of the club pay nothing.", 0.5)
QUESTION = "When does the repair café open on Saturdays?"


def test_a_supported_answer_gets_its_mark_and_the_sentence_behind_it():
    found = shown(QUESTION, "The repair café opens at 9:30 on Saturdays.", [HOURS, FEES])
    assert found.origin == "model"
    assert found.text == (
        "The repair café opens at 9:30 on Saturdays. [1]\n\n"
        f"{QUOTES_HEADING}\n“The repair café opens at 9:30 on Saturdays.” [1]"
    )
    (citation,) = found.citations
    assert (citation.number, citation.passage_id, citation.source) == (1, "p1", "hours.md")
    assert citation.text == "The repair café opens at 9:30 on Saturdays."


@pytest.mark.parametrize(
    "draft",
    [
        "The repair café opens at 10:30 on Saturdays.",
        "The repair café opens at 9:30 on Sundays.",
        "According to Maria, the repair café opens at 9:30 on Saturdays.",
        "The repair café does not open at 9:30 on Saturdays.",
        "Repair cafés are a wonderful way to meet the neighbours.",
        "When does the repair café open on Saturdays?",
        "",
    ],
)
def test_what_no_passage_says_is_replaced_by_quotes(draft):
    found = shown(QUESTION, draft, [HOURS, FEES])
    assert found.origin == "quote"
    assert found.text.startswith(f"{QUOTES_HEADING}\n“The repair café opens at 9:30 on Saturdays.” [1]")
    assert found.text.count("“") == 2
    assert all(f"[{c.number}]" in found.text for c in found.citations)


def test_sentences_are_checked_one_by_one_as_they_arrive():
    checked = Grounding(QUESTION, [HOURS, FEES], embedder())
    assert checked.supported("Jonas fixes bicycles there.") == [], "not what was asked"
    assert checked.add("It opens at 9:30.") == "It opens at 9:30. [1]"
    assert checked.supported("Jonas fixes bicycles there.") == [1]
    assert checked.supported("A repair costs 15 euros.") == [2]
    assert checked.supported("A repair costs 25 euros.") == []
    assert checked.add("A repair costs 15 euros.") == "A repair costs 15 euros. [2]"
    assert checked.quotes().count("“") == 1
    assert checked.origin == "model"
    assert [c.number for c in checked.citations] == [1, 2]


def test_a_sentence_is_said_once():
    found = shown(QUESTION, "It opens at 9:30. It opens at 9:30. It opens at 9:30.", [HOURS, FEES])
    assert found.text.count("It opens at 9:30.") == 1


def test_quotes_of_lines_that_were_wrapped_keep_the_order_of_the_text():
    text = "The repair café at the end of the long garden path opens\nat 9:30. Jonas fixes bicycles there."
    passage = Passage("p1", "hours.md", "Handbook", text, 0.7)
    found = shown("Who fixes bicycles, and when does the repair café open?", "", [passage])
    assert found.text.index("9:30") < found.text.index("Jonas")


def test_quotes_are_few_and_in_the_order_of_the_text():
    found = shown("Who fixes bicycles at the repair café and when does it open?", "", [HOURS, FEES])
    assert [line[1:12] for line in found.text.splitlines()[1:]] == ["The repair ", "Jonas fixes"]
    assert found.citations[0].text.count(" … ") == 1


def test_a_text_without_end_is_quoted_in_part():
    endless = Passage("p", "s", "t", "The code is " + "very " * 500 + "long", 0.9)
    assert len(shown("How long is the code?", "", [endless]).text.split()) < 110
    heading = Passage("p", "s", "t", "# Only a heading", 0.9)
    assert "Only a heading" in shown("heading?", "", [heading]).text


def test_facts_are_found_however_they_are_written():
    assert numbers("1,000 euros, three times, at 9:00 and 2.50") == {"1000", "3", "9", "2.5"}
    assert days("on Sundays in May, from Monday to Wednesday at 8 am") == {
        *("sunday", "may", "monday", "tuesday", "wednesday", "morning"),
    }
    assert days("you may march there") == set()
    assert days("at the weekend") == days("Saturdays and Sundays")
    assert names("Please ask Ada Byron about the X200. Then go.") == {"ada", "byron", "x200"}
    assert denies("We don't ship there") and not denies("We ship there")
    assert missing("Ada paid 20 on Monday", "ada paid twenty on Mondays") == set()
    assert missing("Ada paid 20 on Monday", "Eve paid 30 on Tuesday") == {"ada", "20", "monday"} - {"ada"}
