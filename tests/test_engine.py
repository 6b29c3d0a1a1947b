"""The local engine does what every engine does."""

import pytest
import pytest_asyncio
import torch

from serving.local import LocalEngine
from tests.engine_contract import EngineContract


@pytest.fixture(scope="module")
def places():
    return 6


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(base, places):
    engine = LocalEngine(base, 4, places - 4, 4, 2048, "cpu", torch.float32, rank=16)
    await engine.start()
    yield engine
    await engine.close()


class TestLocalEngine(EngineContract):
    pass
