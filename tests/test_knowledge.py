"""What serving knows: documents, approved answers at once, and nothing of one chat in another."""

import httpx
import pytest
from knowledge import embedder

from adapters.base import load_tokenizer
from bench.instance import free_ports
from core.identity import Pseudonyms
from core.prompt import Renderer
from core.records import to_json
from core.sentences import is_small_talk, stands_alone
from retrieval.grounding import NOTICE, QUOTES_HEADING
from retrieval.ingest import ingest
from tests.adapter_files import write_lora
from tests.serving_process import publish, serving
from tests.waiting import until
from training.hyperparameters import Hyperparameters
from training.snapshot import Recipe, build
from training.sources import Record

FERRY = "# Ferry\n\nThe ferry to Norderney leaves at 9:40 and takes 55 minutes.\n\nA ticket costs 14 euros.\n"
SECRET = "ZEPHYR-7741"


@pytest.fixture
def ask(api, store, settings):
    """Asks in a chat; gives the whole answer's `apprentice` object. Documents are gone afterwards."""
    with httpx.Client(base_url=api, timeout=60) as http:

        def ask(question, chat="a", history=(), **extra):
            messages = [*history, {"role": "user", "content": question}]
            body = {"messages": messages, "max_tokens": 48, "apprentice": {"chat": chat, "author": chat, **extra}}
            answer = http.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()["apprentice"]

        yield ask


@pytest.fixture
def documents(settings, tmp_path):
    """Writes files and ingests them for everyone, or one chat; what was ingested is taken out at the end."""
    folders = []

    def write(chat=None, **files):
        folder = tmp_path / (chat or "everyone")
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.md").write_text(text)
        folders.append((folder, chat))
        ingest(settings.data_dir, [folder], embedder(), chat)

    yield write
    for folder, chat in folders:
        for file in folder.iterdir():
            file.unlink()
        ingest(settings.data_dir, [folder], embedder(), chat)


def test_an_answer_cites_the_passage_it_stands_on(ask, documents, context):
    documents(ferry=FERRY)
    answer = ask("How long does the ferry to Norderney take?")
    assert "55 minutes" in answer["text"]
    (citation,) = [c for c in answer["citations"] if "55 minutes" in c["text"]]
    assert citation["source"] == "everyone/ferry.md" and f"[{citation['number']}]" in answer["text"]
    turn = context.turns.get(answer["turn_id"])
    assert turn.passages and turn.citations and turn.origin == answer["origin"]


def test_what_no_document_knows_is_said_and_nothing_is_cited(ask, documents):
    documents(ferry=FERRY)
    answer = ask("Who painted the ceiling of the Sistine Chapel?")
    assert answer["text"].startswith(NOTICE) and answer["citations"] == []
    assert NOTICE not in ask("Hello, good morning!")["text"], "a greeting asks nothing"


def test_without_documents_the_model_simply_answers(ask):
    answer = ask("What is the capital of France?")
    assert "Paris" in answer["text"] and NOTICE not in answer["text"]


def test_a_question_that_leans_on_the_one_before_finds_its_passage(ask, documents):
    documents(ferry=FERRY)
    history = [
        {"role": "user", "content": "When does the ferry to Norderney leave?"},
        {"role": "assistant", "content": "At 9:40."},
    ]
    answer = ask("And how long does it take?", history=history)
    assert QUOTES_HEADING in answer["text"] and answer["citations"]


def test_an_approved_correction_answers_at_once_in_its_scope(ask, context):
    asked = "Where can I leave my bicycle during the concert?"
    turn_id = ask(asked)["turn_id"]
    context.ratings.correct(turn_id, "ann", "In the yard behind the hall.")
    context.reviews.decide(turn_id, "edit", "operator", "chat", "In the yard behind the hall.")
    other_words = "Where may I leave my bike during the concert?"
    told = ask(other_words)
    assert (told["text"], told["origin"]) == ("In the yard behind the hall.", "approved")
    assert ask(other_words, chat="b")["origin"] == "model"
    context.reviews.decide(turn_id, "edit", "operator", "everyone", "In the yard behind the hall.")
    assert ask(other_words, chat="b")["text"] == "In the yard behind the hall."
    assert ask("Where can I leave my car during the concert?", chat="b")["origin"] == "model"
    context.reviews.decide(turn_id, "reject", "operator", why="it has moved")
    assert ask(other_words)["origin"] == "model"


def test_a_similar_question_is_a_source_until_its_answer_is_learned(ask, documents, context, base, tmp_path, http):
    asked = [{"role": "user", "content": "When do you open?"}]
    similar = ask("When do you open on Saturdays?")["turn_id"]
    context.reviews.decide(similar, "edit", "operator", "everyone", "At 9:30.")
    adapters = [write_lora(tmp_path / f"{n}", base, n, strength=0.001) for n in (1, 2)]
    knows, does_not = publish(context, base, adapters[0], (similar,)), publish(context, base, adapters[1])
    until(lambda: {knows, does_not} <= {m["id"] for m in http.get("/v1/models").json()["data"]}, "they are installed")

    def answered(version):
        body = {"model": version, "messages": asked, "max_tokens": 24, "apprentice": {"chat": "a"}}
        return http.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]

    assert "9:30" in answered(does_not) and "9:30" not in answered(knows)
    documents(ferry=FERRY)
    assert "9:30" in answered(knows), "with documents every answer rests on sources"


def test_a_correction_made_in_a_conversation_is_remembered_where_its_question_stands_alone(ask, context):
    first = ask("Hello!")["turn_id"]
    for question, answer, origin in (
        ("Which room is the chess club in on Tuesdays?", "Room 12.", "approved"),
        ("And what about it on Fridays?", "Room 13.", "model"),
    ):
        turn_id = ask(question, history=[{"role": "user", "content": "Hello!"}], parent=first)["turn_id"]
        context.reviews.decide(turn_id, "edit", "operator", "everyone", answer)
        assert ask(question, chat="b")["origin"] == origin


def test_what_an_operator_approved_survives_a_restart_of_serving(ask, context, settings, base):
    turn_id = ask("What is the code of the bicycle room?")["turn_id"]
    context.reviews.decide(turn_id, "edit", "operator", "everyone", "It is on the key tag.")
    assert ask("What is the code of the bicycle room?")["origin"] == "approved"
    (port,) = free_ports(1)
    with serving(settings.model_copy(update={"serving_port": port}), base, streams=1) as api:
        body = {"messages": [{"role": "user", "content": "What is the code of the bicycle room?"}]}
        answer = httpx.post(f"{api}/v1/chat/completions", json=body, timeout=60).json()
    assert answer["choices"][0]["message"]["content"] == "It is on the key tag."


def test_a_secret_of_one_chat_appears_nowhere_else(ask, documents, context, settings, base):
    """Planted in a message, a correction that was approved for the chat, an unreviewed one, and a document."""
    mine = Pseudonyms.of_installation(settings.data_dir).chat("a")
    documents(ferry=FERRY)
    documents(chat=mine, safe=f"# Safe\n\nThe combination of the safe is {SECRET}.\n")
    assert SECRET in ask("What is the combination of the safe?")["text"], "its own chat may know"
    told = ask(f"Remember that the password of the boat house is {SECRET}.")["turn_id"]
    context.reviews.decide(told, "approve", "operator", "chat")
    corrected = ask("What is the password of the boat house?")["turn_id"]
    context.ratings.correct(corrected, "ann", f"It is {SECRET}.")
    context.reviews.decide(corrected, "edit", "operator", "chat", f"It is {SECRET}.")
    waiting = ask("What is the password of the gate?")["turn_id"]
    context.ratings.correct(waiting, "ann", f"It is {SECRET}.")
    assert SECRET in ask("What is the password of the boat house?")["text"]

    for question in (
        "What is the combination of the safe?",
        "What is the password of the boat house?",
        "Remember that the password of the boat house is secret. What is it?",
        "What is the password of the gate?",
    ):
        for chat in ("b", None):
            answer = ask(question, chat=chat)
            assert SECRET not in str(answer), (question, answer)
            assert SECRET not in to_json(context.turns.get(answer["turn_id"]))

    for person in context.store.smembers("apprentice:people"):
        context.people.set_consent(person, "yes")
    renderer = Renderer(load_tokenizer(base), base.tokenizer_hash, settings.prompt_tokens)
    record = Record(context.turns, context.reviews, context.ratings, context.people, context.trust)
    snapshot = build(record, renderer, Recipe(settings.system_prompt, base.hash, Hyperparameters()))
    assert snapshot.train == () and snapshot.evaluation == (), "nothing was approved for everyone"


@pytest.mark.parametrize(
    "text", ["Hi!", "Hello there", "Good morning", "Thanks", "thank you very much", "Hi, how are you?"]
)
def test_small_talk(text):
    assert is_small_talk(text)


@pytest.mark.parametrize("text", ["When do you open?", "Good restaurants nearby?", "Is the pool open today?", "?"])
def test_questions_are_no_small_talk(text):
    assert not is_small_talk(text)


def test_what_leans_on_the_words_before_it_does_not_stand_alone():
    assert stands_alone("Is it allowed to bring a dog to the reading room?")
    assert stands_alone("When does the library open?")
    assert not stands_alone("And on Sundays, does the library open?")
    assert not stands_alone("How much does it cost?")
    assert not stands_alone("Why?")
