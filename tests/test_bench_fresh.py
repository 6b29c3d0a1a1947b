"""How soon corrections answer: what is asked again, and how times are summed up."""

from bench import fresh


def test_moments_become_the_seconds_between_them():
    moments = {"approving": 10.0, "due": 12.0, "learning": 20.5, "judging": 50.0, "live": 61.0}
    assert fresh.parts(moments) == {"approving": 2.0, "due": 8.5, "learning": 29.5, "judging": 11.0}
    assert fresh.parts({"due": 1.0}) == {}


def test_times_are_told_by_their_middle_and_their_worst():
    assert fresh.spread([0.1, 0.3, 0.2, 0.9]) == {"p50_s": 0.25, "worst_s": 0.9}


def test_there_are_enough_questions_that_memory_knows_again_in_other_words():
    found = fresh.known_again()
    assert len(found) >= fresh.QUESTIONS and len({question for question, _, _ in found}) == len(found)
    assert all(similar != question for question, _, similar in found)
