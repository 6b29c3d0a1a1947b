"""How serving is measured: the load generator against a small server, and figures of numbers made by hand."""

import asyncio
import json
import math
import re
import threading
from contextlib import contextmanager
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

import bench.serve
from apprentice import app
from bench.compare import compare, ratios
from bench.figures import Bar, percentile, summarise
from bench.load import Load, Wave
from bench.plot import draw
from bench.prompts import Prompts
from bench.quality import perplexity
from bench.report import show_serve, show_swap
from bench.stream import Answer, Raw, read_answer
from bench.subjects import ours, parse_against, rival, rivals
from bench.swap import _result as swap_result
from bench.swap import first_answers
from core.errors import InvalidInput

PAUSE_S = 0.03


def answer(asked=0.0, first=0.1, gaps=(0.01, 0.02), tokens=3, versions=("v",), error=None):
    return Answer(asked, asked + first + sum(gaps), first, tuple(gaps), tokens, 10, "text", versions, error)


# ---- a small server ----


def event(delta=None, **fields) -> str:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": None}]
    return f"data: {json.dumps({'model': 'small', 'choices': choices} | fields)}\n\n"


class SmallServer:
    """Streams `tokens` pieces, PAUSE_S apart, after a role and before usage; or does what its prompt says."""

    def __init__(self):
        self.bodies, self.connections = [], 0

    async def handle(self, reader, writer):
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) if b"POST" in head else 0
                body = json.loads(await reader.readexactly(length)) if length else {}
                self.bodies.append(body)
                if await self.respond(body, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def respond(self, body, writer) -> bool:
        said = body["messages"][-1]["content"] if body else "models"
        if said == "models":
            rows = [{"id": "plain", "owned_by": "vllm"}, {"id": "tuned", "owned_by": "vllm", "parent": "plain"}]
            return plain_answer(writer, 200, {"data": rows})
        if said == "hang up" and body not in self.bodies[:-1]:
            return True
        if said == "busy":
            return plain_answer(writer, 429, {"error": {"message": "come back later"}})
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        write_chunk(writer, event({"role": "assistant", "content": ""}))
        for n in range(body["max_tokens"]):
            await asyncio.sleep(PAUSE_S)
            text = event({"content": f"{n} "}, model="other" if said == "mixed" and n else "small")
            write_chunk(writer, text.replace("\n", "\r\n") if said == "crlf" else text)
            if said == "break":
                return True
        if said == "fail":
            write_chunk(writer, event(error={"message": "it broke"}))
        write_chunk(writer, event(usage={"prompt_tokens": 7, "completion_tokens": body["max_tokens"] + 1}))
        write_chunk(writer, "data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        return False


def plain_answer(writer, status, body) -> bool:
    data = json.dumps(body).encode()
    writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    return False


def write_chunk(writer, text):
    """A chunk in two writes, so that an event comes in pieces."""
    data = text.encode()
    writer.write(f"{len(data):x}\r\n".encode() + data[:5])
    writer.write(data[5:] + b"\r\n")


@pytest.fixture(scope="module")
def small():
    """The small server, and its address."""
    server, loop = SmallServer(), asyncio.new_event_loop()
    listening = loop.run_until_complete(asyncio.start_server(server.handle, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"

    async def close():
        listening.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(close(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def load():
    with Load() as made:
        yield made


def body(content="hello", tokens=4):
    return {"messages": [{"role": "user", "content": content}], "max_tokens": tokens}


def test_streams_begin_together_and_ask_one_request_after_the_other(small, load):
    server, address = small
    server.bodies.clear()
    before = server.connections
    wave = load.run(f"{address}/v1/chat/completions", [[body(tokens=4), body(tokens=3)]] * 3)
    assert not wave.errors and len(wave.answers) == 6 and len(server.bodies) == 6
    assert server.connections - before == 3, "a stream keeps its connection"
    assert [a.tokens for a in wave.answers] == [5, 4] * 3, "the server's own count"
    for made in wave.answers:
        assert made.first_s >= PAUSE_S * 0.9 and len(made.gaps_s) in (2, 3)
        assert all(PAUSE_S * 0.5 < gap < PAUSE_S * 10 for gap in made.gaps_s)
        assert made.versions == ("small",) and made.prompt_tokens == 7 and made.text.startswith("0 1 2 ")
    assert max(a.asked_s for a in wave.answers[::2]) - wave.began_s < PAUSE_S
    assert wave.ended_s - wave.began_s >= 7 * PAUSE_S


def test_load_for_a_time_starts_over_and_ends_with_whole_answers(small, load):
    _, address = small
    wave = load.run(f"{address}/v1/chat/completions", [[body(tokens=2)]] * 2, for_s=0.3)
    assert len(wave.answers) >= 4 and not wave.errors
    assert 0.3 <= wave.ended_s - wave.began_s < 3


@pytest.mark.parametrize(
    "said, told",
    [("busy", "HTTP 429.*come back later"), ("break", "broke off"), ("fail", "it broke")],
)
def test_what_goes_wrong_is_told_and_the_rest_goes_on(small, load, said, told):
    _, address = small
    wave = load.run(f"{address}/v1/chat/completions", [[body(said), body("crlf")], [body()]])
    assert [bool(a.error) for a in wave.answers] == [True, False, False]
    assert re.search(told, wave.errors[0])


def test_a_kept_connection_that_the_server_closed_is_opened_again(small, load):
    server, address = small
    before = server.connections
    wave = load.run(f"{address}/v1/chat/completions", [[body(), body("hang up")]])
    assert not wave.errors and server.connections - before == 2


def test_a_server_that_is_not_there_is_an_error_not_an_end(load):
    wave = load.run("http://127.0.0.1:9/v1/chat/completions", [[body()]])
    assert len(wave.errors) == 1 and wave.answers[0].first_s is None


def test_an_answer_of_two_versions_names_both(small, load):
    _, address = small
    wave = load.run(f"{address}/v1/chat/completions", [[body("mixed")]])
    assert wave.answers[0].versions == ("other", "small")


def test_events_that_come_together_have_no_gap_and_missing_usage_counts_pieces():
    two = event({"content": "a"}) + event({"content": "b"})
    raw = Raw(1.0, 4.0, 200, [(2.0, two.encode()), (3.5, (event({"content": "c"}) + "data: [DONE]\n\n").encode())])
    made = read_answer(raw)
    assert (made.first_s, made.gaps_s, made.tokens, made.error) == (1.0, (0.0, 1.5), 3, None)


# ---- figures ----


def test_percentiles_are_values_that_were_measured():
    values = list(range(1, 1001))
    assert [percentile(values, share) for share in (0.5, 0.99, 0.999, 1)] == [500, 990, 999, 1000]
    assert percentile([3.0], 0.001) == 3.0 and math.isnan(percentile([], 0.5))


def test_figures_are_medians_over_waves_and_gaps_are_pooled():
    waves = [
        Wave(0, 1, (answer(first=0.1), answer(first=0.3))),
        Wave(10, 12, (answer(first=0.5), answer(first=0.7, error="no"))),
        Wave(20, 21.5, (answer(first=0.2), answer(first=0.2, gaps=(0.9,)))),
    ]
    figures = summarise(2, waves)
    assert (figures.waves, figures.answers, figures.errors, figures.tokens) == (3, 6, 1, 15)
    assert figures.tokens_per_s == pytest.approx(4.0), "waves made 6, 1.5 and 4 a second; what failed does not count"
    assert figures.first_median_s == pytest.approx(0.2) and figures.first_max_s == 0.7
    assert (figures.gap_p50_s, figures.gap_p999_s) == (0.02, 0.9)


def test_a_bar_says_whether_it_is_reached():
    assert Bar("a", 2.0, least=2.0).reached and not Bar("a", 1.99, least=2.0).reached
    assert Bar("a", math.inf, most=1.5).as_dict()["figure"] is None, "JSON knows no infinity"
    assert Bar("a", 1.0, most=1.5).as_dict()["reached"] and not Bar("a", math.nan, most=1.5).reached


def test_a_swap_is_answered_by_the_first_answer_asked_after_it():
    waves = [
        Wave(0, 9, (answer(0.5, 0.1, versions=("b",)), answer(1.2, 0.3, versions=("b",)), answer(2.0, 0.1))),
        Wave(0, 9, (answer(1.1, 0.9, versions=("b",)), answer(1.05, 0.1, versions=("a", "b")))),
    ]
    assert first_answers(waves, [(1.0, "b")]) == [pytest.approx(0.5)]
    assert first_answers(waves, [(1.0, "c")]) == [math.inf]


def test_perplexity_weighs_replies_by_their_length():
    pairs = [((1,), (2, 3, 4)), ((1,), (2,))]
    assert perplexity(pairs, [-1.0, -3.0]) == pytest.approx(math.exp(1.5))


# ---- others beside ours ----


@pytest.mark.parametrize(
    "text, found",
    [
        ("http://127.0.0.1:8000", ("http://127.0.0.1:8000/v1", None)),
        ("http://localhost:8000/v1/,my/model", ("http://localhost:8000/v1", "my/model")),
        ("https://example.org/api, m", ("https://example.org/api/v1", "m")),
    ],
)
def test_against_names_a_server_and_perhaps_a_model(text, found):
    assert parse_against(text) == found


@pytest.mark.parametrize("text", ["localhost:8000", "ftp://x", "", "http://,m"])
def test_against_refuses_what_is_no_address(text):
    with pytest.raises(InvalidInput, match="URL"):
        parse_against(text)


def test_another_server_says_itself_whether_a_model_is_an_adapter(small):
    _, address = small
    plain, tuned = rival(address), rival(f"{address},tuned")
    assert (plain.models, plain.adapter, plain.engine) == (("plain",), "none", "vllm")
    assert (tuned.models, tuned.adapter) == (("tuned",), "live")
    there = address.removeprefix("http://")
    assert [s.name for s in rivals([address, f"{address},tuned"])] == ["vllm, plain", "vllm, tuned"]
    assert [s.name for s in rivals([address, f"http://localhost:{there.split(':')[1]}"])] == [
        f"vllm, plain at {there}",
        f"vllm, plain at localhost:{there.split(':')[1]}",
    ]
    with pytest.raises(InvalidInput, match="only plain, tuned"):
        rival(f"{address},third")
    with pytest.raises(InvalidInput, match="does not list models"):
        rival("http://127.0.0.1:9")


def test_the_same_streams_go_to_both_servers_and_ratios_are_ours_over_theirs(small, load, monkeypatch):
    server, address = small
    monkeypatch.setattr("bench.compare.NEW_TOKENS", 3)
    monkeypatch.setattr("bench.compare.wait_until_quiet", lambda: None)
    server.bodies.clear()
    rows = compare(load, Prompts(), [ours(address, ["apprentice"], "none"), rival(address)], lambda line: None, (1, 2))
    assert [(r["streams"], r["mode"], r["errors"]) for r in rows[:4]] == [
        (1, "wave", 0),
        (1, "rounds", 0),
        (1, "wave", 0),
        (1, "rounds", 0),
    ]
    posts = [b for b in server.bodies if b]
    mine = [b for b in posts if "apprentice" in b]
    asked = sorted(b["messages"][-1]["content"] for b in mine)
    assert asked == sorted(b["messages"][-1]["content"] for b in posts if "apprentice" not in b)
    assert len(set(asked)) == len(asked) and all(b["ignore_eos"] and b["temperature"] == 0 for b in posts)
    found = ratios(rows)
    assert len(found) == 4 and all(0.2 < row["tokens_per_s"] < 5 for row in found)


def test_streams_of_a_mixed_batch_alternate_between_versions():
    scripts = ours("http://x", ["a", "b"], "mixed").scripts([[[{"role": "user", "content": "?"}]]] * 4)
    assert [script[0]["model"] for script in scripts] == ["a", "b", "a", "b"]
    assert scripts[0][0]["apprentice"] == {"retrieval": False, "record": False}


def test_prompts_are_new_until_all_were_asked():
    prompts = Prompts()
    asked = {talk[-1]["content"] for talk in prompts.take(1200)}
    assert len(asked) == 1200
    history = prompts.history(1000)
    assert history[-1]["role"] == "assistant" and history != prompts.history(1000)


# ---- adapters ----


def test_the_adapters_are_valid_and_always_the_same(base, tmp_path):
    from adapters.verify import verify
    from bench.lora import RANK, write_adapters

    folders = write_adapters(base, tmp_path / "one")
    again = write_adapters(base, tmp_path / "two")
    manifests = [verify(f, base.name, base.hash, base.shapes(), "identity") for f in (*folders, *again)]
    assert manifests[0].id == manifests[2].id != manifests[1].id == manifests[3].id
    assert manifests[0].rank == RANK and len(manifests[0].targets) == 7


# ---- commands, tables and the picture ----

MACHINE = {"cores": 2, "processor": "made by hand"}


def row(subject, engine, adapter, streams, rate, mode="wave"):
    figures = summarise(streams, [Wave(0, 320 / rate, tuple(answer(tokens=320 // streams) for _ in range(streams)))])
    return {"subject": subject, "engine": engine, "adapter": adapter, "mode": mode, **figures.as_dict(), "failures": []}


def serve_result():
    figures = [
        row("apprentice, base", "apprentice", "none", 1, 100),
        row("vllm, base", "vllm", "none", 1, 40),
        row("apprentice, live", "apprentice", "live", 16, 300),
        row("apprentice, mixed", "apprentice", "mixed", 16, 240),
        row("vllm <lora>", "vllm", "live", 16, 90),
    ]
    measured = {"tokens_per_s": 100.0}
    trained = {"kept": 0.5, "training_steps": 7, "training_s": 20.0, "trained_throughout": True}
    result = {
        "machine": MACHINE,
        "new_tokens": 64,
        "figures": figures,
        "ratios": ratios(figures),
        "recording": {"share": 0.97, "recorded": measured, "plain": measured},
        "second_turn": {"prompt_tokens": 1080, "first_reused_s": 0.05, "first_fresh_s": 0.4, "sooner": 8.0},
        "beside_training": {"before": measured, "during": measured, "after": measured, **trained},
        "quality": {"tokens": 900, "served": 10.05, "bf16": 10.0, "ratio": 1.005},
    }
    return result | {"bars": [bar.as_dict() for bar in bench.serve.bars(result)]}


def test_bars_are_those_of_what_was_measured():
    found = {bar["name"]: (bar["least"] or bar["most"], bar["reached"]) for bar in serve_result()["bars"]}
    assert found["tokens/s: apprentice, base / vllm, base, 1 streams"] == (2.0, True)
    assert found["tokens/s: apprentice, live / vllm <lora>, 16 streams"] == (4.0, False)
    assert found["tokens/s: apprentice, mixed / vllm <lora>, 16 streams"] == (2.5, True)
    assert found["time to first token: apprentice, live / vllm <lora>, 16 streams"] == (0.25, False)
    assert found["share of tokens/s kept while a refresh trains"] == (0.6, False)
    assert found["perplexity: served / bf16"] == (1.01, True)


def test_serve_tells_writes_and_draws(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(bench.serve, "run", lambda against, say: asked.append(list(against)) or serve_result())
    words = ["bench", "serve", "--against", "http://a:1,m", "--against", "http://b:2"]
    figures, picture = tmp_path / "serve.json", tmp_path / "serving.svg"
    done = CliRunner().invoke(app, [*words, "--json", str(figures), "--plot", str(picture)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert asked == [["http://a:1,m", "http://b:2"]]
    assert "apprentice, live" in done.output and "not reached" in done.output and "reached" in done.output
    assert json.loads(figures.read_text())["ratios"][0]["tokens_per_s"] == pytest.approx(2.5, abs=0.01)
    tree = ElementTree.fromstring(picture.read_text())
    texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"vllm <lora>", "16 streams", "1 stream", "300"} <= set(texts)


def test_every_bar_of_the_picture_has_a_length_in_proportion():
    tree = ElementTree.fromstring(draw(serve_result()))
    bars = [float(e.get("width")) for e in tree.iter("{http://www.w3.org/2000/svg}rect") if e.get("rx")]
    assert len(bars) == 5 and max(bars) == bars[2] and bars[0] / bars[1] == pytest.approx(2.5, abs=0.02)


def test_swap_counts_answers_that_mix_and_judges_the_slowest_promotion():
    quiet = [Wave(0, 9, (answer(0.0), answer(1.0)))]
    swapped = [Wave(20, 29, (answer(21.5, versions=("b",)), answer(23.0, versions=("a", "b"), gaps=(0.04,))))]
    result = swap_result(MACHINE, quiet, swapped, [(21.0, "b")], {"a", "b", "v"})
    assert result["answers_not_from_one_version"] == 1 and result["errors"] == 0
    assert result["promote_to_first_token_s"]["max"] == pytest.approx(0.6)
    assert result["gap_p999_ratio"] == pytest.approx(2.0)
    assert [bar["reached"] for bar in result["bars"]] == [False, True, True, False]


@contextmanager
def told():
    from io import StringIO

    from rich.console import Console

    written = StringIO()
    yield Console(file=written, width=200), written


def test_the_tables_hold_the_figures():
    quiet, swapped = [Wave(0, 9, (answer(),))], [Wave(20, 29, (answer(21.5, versions=("b",)),))]
    with told() as (console, written):
        show_serve(serve_result(), console)
        show_swap(swap_result(MACHINE, quiet, swapped, [(21.0, "b")], {"b", "v"}), console)
    assert "0.050 / 0.400 s" in written.getvalue() and "with swaps" in written.getvalue()
