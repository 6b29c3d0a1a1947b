"""Similar questions of the queue, by the vectors that serving makes of texts."""

import numpy as np
import openai
import pytest

from core.errors import InvalidInput, ServingUnavailable
from core.library import LibraryClient
from feedback.similar import Neighbours

ASKED = "When does the library open on Saturdays?"
OTHERS = {
    "same": "When does the library open on Saturday?",
    "other words": "At what time is the library open on Saturdays?",
    "far": "Does the library lend umbrellas?",
    "farther": "What is the capital of France?",
}


@pytest.fixture
async def library(api):
    client = LibraryClient(api)
    yield client
    await client.close()


async def test_what_asks_nearly_the_same_is_found_nearest_first(library):
    asked = []

    async def embed(texts):
        asked.extend(texts)
        return await library.embed(texts)

    neighbours = Neighbours(embed)
    found = await neighbours.of(ASKED, OTHERS)
    assert list(found)[:2] == ["same", "other words"] and "farther" not in found
    assert 0.6 < found["other words"] < found["same"] <= 1.001
    assert await neighbours.of(ASKED, OTHERS) == pytest.approx(found, abs=1e-4)
    assert asked.count(ASKED) > 1 and asked.count(OTHERS["same"]) <= 2, "vectors are kept"
    assert await neighbours.of("zzz?", OTHERS) == {}


async def test_vectors_of_another_embedder_are_not_mixed_in():
    async def three(texts):
        return "three", [np.array([1, 0, 0], "<f4").tobytes()] * len(texts)

    async def two(texts):
        return "two", [np.array([0, 1], "<f4").tobytes()] * len(texts)

    neighbours = Neighbours(three)
    assert set(await neighbours.of(ASKED, OTHERS)) == {"same", "other words", "far"}
    neighbours._embed = two
    assert set(await neighbours.of(ASKED, OTHERS)) == {"same", "other words", "far"}


async def test_serving_away_is_said():
    client = LibraryClient("http://127.0.0.1:1")
    with pytest.raises(ServingUnavailable):
        await client.embed([ASKED])
    await client.close()


async def test_more_than_256_texts_are_refused(library):
    with pytest.raises(InvalidInput, match="input"):
        await library.embed(["text"] * 257)


def test_the_official_client_gets_unit_vectors(api):
    with openai.OpenAI(base_url=f"{api}/v1", api_key="none") as client:
        plain = client.embeddings.create(model="any", input=ASKED, encoding_format="float").data[0].embedding
        default = client.embeddings.create(model="any", input=[ASKED, "other"]).data[0].embedding
    assert np.linalg.norm(plain) == pytest.approx(1, abs=1e-3) and default == pytest.approx(plain, abs=1e-4)
