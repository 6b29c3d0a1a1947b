"""One prompt for serving and training: the tokenizer's own template, a budget, an identity."""

import pytest

from core.errors import InvalidInput, PromptTooLong
from core.prompt import LAYOUTS, Renderer
from core.records import Message, Passage

SYSTEM = Message("system", "Be brief.")


@pytest.fixture(scope="module")
def tokenizer(base):
    from adapters.base import load_tokenizer

    return load_tokenizer(base)


def talk(turns: int, words: int = 30) -> list[Message]:
    said = [SYSTEM]
    for n in range(turns):
        said += [
            Message("user", f"question {n} " + "word " * words),
            Message("assistant", f"answer {n} " + "word " * words),
        ]
    return [*said, Message("user", "the last question?")]


def test_it_is_the_models_own_template(tokenizer):
    prompt = Renderer(tokenizer, "hash" * 8, 512).render([SYSTEM, Message("user", "Hello!")])
    own = tokenizer.apply_chat_template(
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert tokenizer.decode(prompt.ids) == own
    assert (prompt.dropped, len(prompt.hash)) == (0, 64)


def test_the_oldest_turns_go_first_and_half_the_budget_is_freed(tokenizer):
    renderer = Renderer(tokenizer, "hash" * 8, 600)
    prompt = renderer.render(talk(20))
    text = tokenizer.decode(prompt.ids)
    assert "Be brief." in text and "the last question?" in text and "question 19" in text
    assert "question 0 " not in text and len(prompt.ids) <= 300
    assert prompt.dropped % 2 == 0 and text.count("<|im_start|>assistant") == (40 - prompt.dropped) // 2 + 1


def test_a_longer_history_keeps_the_same_prefix(tokenizer):
    renderer = Renderer(tokenizer, "hash" * 8, 4096)
    earlier, later = renderer.render(talk(3)), renderer.render(talk(4))
    same = next(n for n, (a, b) in enumerate(zip(earlier.ids, later.ids, strict=False)) if a != b)
    assert same > 0.9 * len(earlier.ids) - 20


def test_passages_stand_with_the_question(tokenizer):
    renderer = Renderer(tokenizer, "hash" * 8, 512)
    passages = [Passage(str(n), "s", "t", f"fact {n} " + "word " * 100) for n in range(5)]
    prompt = renderer.render([SYSTEM, Message("user", "why?")], passages)
    text = tokenizer.decode(prompt.ids)
    assert 2 <= prompt.passages < 5 and "[2] fact 1" in text and text.rindex("Question: why?") > text.rindex("fact 1")
    assert len(prompt.ids) <= 512


def test_a_question_that_cannot_fit_is_one_sentence(tokenizer):
    with pytest.raises(PromptTooLong, match="Send it in parts"):
        Renderer(tokenizer, "hash" * 8, 256).render([SYSTEM, Message("user", "word " * 100_000)])


@pytest.mark.parametrize("messages", [[], [SYSTEM], [SYSTEM, Message("user", "  ")], talk(1)[:-1]])
def test_there_must_be_a_question(tokenizer, messages):
    with pytest.raises(InvalidInput):
        Renderer(tokenizer, "hash" * 8, 256).render(messages)


def test_an_identity_names_the_renderer_it_came_from(tokenizer, monkeypatch):
    monkeypatch.setitem(LAYOUTS, 2, LAYOUTS[1])
    newest = Renderer(tokenizer, "a" * 32, 1024, version=2)
    older = newest.at(Renderer(tokenizer, "a" * 32, 512, version=1).identity)
    assert (older.budget, older.identity) == (512, f"r1-{'a' * 16}-512")
    with pytest.raises(InvalidInput, match="does not fit this model"):
        newest.at(f"r1-{'b' * 16}-512")


def test_replies_end_with_the_end_token(tokenizer):
    ids = Renderer(tokenizer, "a" * 32, 512).reply_ids("Done.")
    assert ids[-1] == tokenizer.eos_token_id and tokenizer.decode(ids[:-1]) == "Done."
