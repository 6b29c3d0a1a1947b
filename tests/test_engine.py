"""The local engine does what every engine does."""

import pytest
import pytest_asyncio

from tests.engine_contract import EngineContract
from tests.warm import WarmEngine


@pytest.fixture(scope="module")
def places():
    return 6


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(base, places):
    engine = WarmEngine(base, 4, places - 4)
    await engine.start()
    yield engine
    await engine.close()


class TestLocalEngine(EngineContract):
    pass
