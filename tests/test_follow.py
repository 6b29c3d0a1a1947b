"""Following the aliases, over an engine whose slots and leases the test holds in its hands."""

import asyncio
from collections import Counter

import pytest

from adapters.install import install
from adapters.manifest import WEIGHTS
from adapters.registry import Registry
from core import keys
from core.errors import Busy, UnknownModel
from core.prompt import Renderer
from core.records import BASE
from core.store import connect
from feedback.audit import AuditLog
from feedback.turns import Turns
from serving import follow
from serving.follow import Follower
from tests.adapter_files import IDENTITY, publish_peft, write_base, write_peft


class SlotsOnly:
    """The part of an engine that a follower sees. A version with a lease drains until the lease is given back."""

    def __init__(self, slots: int):
        self.free = slots
        self.answering = {BASE}
        self.held: Counter[str] = Counter()
        self.broken: set[str] = set()
        self.draining: dict[str, asyncio.Event] = {}

    async def install(self, version, folder):
        assert version not in self.draining, "its slot is still in use"
        assert version not in self.answering
        if version in self.broken:
            raise RuntimeError("out of memory")
        if not self.free:
            raise Busy("every slot is in use")
        self.free -= 1
        self.answering.add(version)

    async def retire(self, version):
        self.answering.discard(version)
        drained = self.draining[version] = asyncio.Event()
        if not self.held[version]:
            drained.set()
        await drained.wait()
        del self.draining[version]
        self.free += 1

    def installed(self):
        return frozenset(self.answering)

    def leases(self):
        return +self.held


@pytest.fixture
def registry(store, tmp_path):
    return Registry(store, tmp_path / "adapters")


@pytest.fixture
def base(tmp_path):
    return write_base(tmp_path / "base")


@pytest.fixture
def replica(registry, store, base):
    """Makes a follower and its engine, with so many slots."""

    def make(slots, name="r1"):
        engine = SlotsOnly(slots)
        renderer = Renderer(None, "aaaa", 512, 1)
        return Follower(registry, engine, base, renderer, Turns(store, 90), name, slots), engine

    return make


async def steps(*followers: Follower, count: int = 3) -> None:
    for _ in range(count):
        for follower in followers:
            await follower.step()
            await asyncio.sleep(0)


async def answering(follower: Follower, model: str = "apprentice", chat: str | None = None) -> str:
    async with follower.routed(model, chat) as version:
        return version


async def test_what_is_installed_answers_once_it_is_promoted_and_not_before(replica, registry):
    follower, _ = replica(slots=3)
    await steps(follower)
    assert follower.live == BASE
    first = publish_peft(registry, 1)
    await steps(follower)
    assert follower.live == BASE, "installed is not live"
    registry.promote(first, "ann", "")
    await steps(follower)
    assert follower.live == first
    registry.rollback("ann", "")
    await steps(follower)
    assert follower.live == BASE


async def test_a_start_is_ready_when_what_is_live_answers(replica, registry):
    version = publish_peft(registry, 1)
    registry.promote(version, "ann", "")
    follower, _ = replica(slots=3)
    assert not follower.ready
    await follower.step()
    assert follower.ready and follower.live == version


async def test_a_version_wanted_again_while_it_drains_comes_back_when_its_slot_is_free(replica, registry):
    follower, engine = replica(slots=2)
    first, second = publish_peft(registry, 1), publish_peft(registry, 2)
    registry.promote(first, "ann", "")
    await steps(follower)
    engine.held[first] += 1
    for version in (second, BASE, second, BASE):  # two newer names: the first version is not wanted any more
        registry.promote(version, "ann", "")
        await steps(follower, count=1)
    third = publish_peft(registry, 3)
    await steps(follower)
    assert first in engine.draining and third not in engine.answering, "no slot is free yet"
    registry.promote(first, "ann", "better after all")
    await steps(follower)
    assert registry.route() == BASE and registry.aliases().incoming == first and first in engine.draining
    engine.held[first] -= 1
    engine.draining[first].set()
    await steps(follower)
    assert registry.route() == first and await answering(follower) == first


async def test_more_versions_than_slots_keep_the_most_needed(replica, registry):
    follower, engine = replica(slots=3)
    versions = [publish_peft(registry, n) for n in range(5)]
    await steps(follower)
    assert len(engine.answering - {BASE}) == 3
    for version in (versions[0], versions[1]):
        registry.promote(version, "ann", "")
        await steps(follower)
    assert {versions[0], versions[1]} < engine.answering and len(engine.answering - {BASE}) == 3
    with pytest.raises(UnknownModel):
        await answering(follower, "retired")


async def test_a_rollback_past_what_is_installed_needs_no_spare_slot(replica, registry):
    """Two slots: one answers, the other was being filled with what comes next when all is taken back."""
    follower, engine = replica(slots=2)
    first, second, third = (publish_peft(registry, n) for n in range(3))
    for version in (first, second):
        registry.promote(version, "ann", "")
        await steps(follower)
    registry.heartbeat("slow", [BASE], {})
    registry.promote(third, "ann", "")
    await steps(follower)
    assert engine.answering == {BASE, second, third}, "the first gave its place to the third"
    assert registry.rollback("ann", "worse") == first
    await steps(follower, count=1)
    assert not follower.ready and await answering(follower) == second, "the present version goes on until then"
    await steps(follower, count=4)
    assert follower.ready and await answering(follower) == first


async def test_a_version_that_leaves_is_not_counted_on(replica, registry):
    """The heartbeat says that a version goes before it goes: a promotion in between waits for it."""
    follower, engine = replica(slots=2)
    old = publish_peft(registry, 1)
    await steps(follower)
    for n in (2, 3):
        publish_peft(registry, n)
    await follower.step()
    assert old in engine.answering and old not in registry.living()["r1"]
    registry.promote(old, "ann", "")
    assert registry.aliases().incoming == old
    await steps(follower)
    assert registry.route() == old and await answering(follower) == old


async def test_a_request_holds_its_version_until_it_has_its_place(replica, registry):
    follower, engine = replica(slots=2)
    version = publish_peft(registry, 1)
    registry.promote(version, "ann", "")
    await steps(follower)
    async with follower.routed("apprentice", None) as mine:
        registry.rollback("ann", "worse")
        for n in (2, 3):
            publish_peft(registry, n)
        await steps(follower, count=5)
        assert mine == version and version in engine.installed()
        assert await answering(follower) == BASE, "the next request goes to what is live"
    await steps(follower, count=5)
    assert version not in engine.installed() and len(engine.answering) == 3


async def test_live_moves_on_every_replica_at_once(replica, registry):
    """Whichever replica has not looked yet: after the first answer of the new version there is none of the old."""
    (one, _), (two, _) = replica(3, "r1"), replica(3, "r2")
    await steps(one, two)
    version = publish_peft(registry, 1)
    registry.promote(version, "ann", "")
    await one.step()
    assert registry.route() == BASE, "the second replica lacks it"
    assert {await answering(one), await answering(two)} == {BASE}
    await two.step()
    assert registry.route() == version and one.live == BASE, "the first has not looked since"
    assert [await answering(follower) for follower in (two, one, two)] == [version] * 3


async def test_a_replica_without_the_routed_version_is_not_ready(replica, registry, store):
    (one, _), (two, engine) = replica(3, "r1"), replica(3, "r2")
    version = publish_peft(registry, 1)
    engine.broken.add(version)
    await steps(one, two)
    registry.promote(version, "ann", "")
    await steps(one, two)
    assert registry.aliases().incoming == version, "the second could not install it, and is waited for"
    store.delete(keys.replica("r2"))
    await one.step()
    assert registry.route() == version and one.ready
    await two.step()
    assert not two.ready and await answering(two) == BASE


async def test_what_cannot_be_installed_stops_nothing_else(replica, registry, monkeypatch):
    follower, engine = replica(slots=3)
    bad, good = publish_peft(registry, 1), publish_peft(registry, 2)
    engine.broken.add(bad)
    registry.promote(good, "ann", "")
    await steps(follower)
    assert await answering(follower) == good and bad not in engine.answering
    engine.broken.clear()
    monkeypatch.setattr(follow, "RETRY_S", 0)
    follower._retry_at.clear()
    await steps(follower)
    assert bad in engine.answering


def damage(registry, version) -> None:
    weights = registry.path(version) / WEIGHTS
    raw = bytearray(weights.read_bytes())
    raw[-3] ^= 1
    weights.write_bytes(bytes(raw))


async def test_a_refused_version_is_looked_at_again_once_its_files_are_repaired(replica, registry, base, tmp_path):
    follower, engine = replica(slots=3)
    await steps(follower)
    version = publish_peft(registry, 1)
    damage(registry, version)
    registry.promote(version, "ann", "")
    await steps(follower)
    found = registry.get(version)
    assert found.status == "rejected" and "do not match their name" in found.refused
    assert registry.aliases().incoming is None and follower.ready and await answering(follower) == BASE
    registry.promote(version, "ann", "again")
    await steps(follower)
    assert registry.aliases().incoming is None, "the files are as they were"

    assert install(registry, write_peft(tmp_path / "peft", 1), base, IDENTITY, 64).id == version
    registry.promote(version, "ann", "repaired")
    await steps(follower)
    assert await answering(follower) == version and registry.get(version).refused is None


async def test_where_live_is_refused_the_version_before_it_stands_in(replica, registry, store):
    before, live = publish_peft(registry, 1), publish_peft(registry, 2)
    for version in (before, live):
        registry.promote(version, "ann", "while nothing serves")
    damage(registry, live)
    follower, _ = replica(slots=3)
    await steps(follower)
    assert await answering(follower) == before and follower.ready, "nobody can use it, so this replica is as good"
    assert [e.subject for e in AuditLog(store).page() if e.what == "refuse"] == [live]
    registry.heartbeat("r2", [BASE, before, live], {})
    await steps(follower)
    assert not follower.ready, "another replica has it"


def start_canary(registry, store, version: str) -> tuple[str, str]:
    """Try a version with half of the chats; one that takes part, and one that does not."""
    store.set(keys.REFRESH_FENCE, 1)
    registry.start_canary(version, 0.5, "gate", "", 1, registry.route())
    canary = registry.aliases().canary
    names = [str(n) for n in range(99)]
    return next(n for n in names if canary.takes(n)), next(n for n in names if not canary.takes(n))


async def test_a_canary_answers_its_chats_on_every_replica_at_once_and_no_others(replica, registry, store):
    (one, _), (two, _) = replica(3, "r1"), replica(3, "r2")
    await steps(one, two)
    version = publish_peft(registry, 1)
    mine, other = start_canary(registry, store, version)
    await one.step()
    assert [await answering(f, chat=mine) for f in (one, two)] == [BASE, BASE], "the second lacks it"
    await two.step()
    assert [await answering(f, chat=mine) for f in (two, one, two)] == [version] * 3
    assert [await answering(f, chat=chat) for f in (one, two) for chat in (other, None)] == [BASE] * 4
    await steps(one, two)
    assert one.ready and one.live == BASE and (one.canary_share, two.canary_share) == (0.5, 0.5)
    registry.rollback("ann", "worse")
    assert await answering(one, chat=mine) == BASE
    await steps(one, two)
    assert one.canary_share == 0


async def test_a_replica_without_the_canary_is_not_ready_and_lets_live_answer(replica, registry, store):
    (one, _), (two, engine) = replica(3, "r1"), replica(3, "r2")
    version = publish_peft(registry, 1)
    await steps(one)
    mine, _ = start_canary(registry, store, version)
    engine.broken.add(version)
    await steps(two)
    assert not two.ready and await answering(two, chat=mine) == BASE
    assert one.ready and await answering(one, chat=mine) == version
    registry.end_canary(registry.aliases().canary, "expire", "canary", "")
    await steps(two)
    assert two.ready


async def test_a_canary_that_is_refused_has_ended(replica, registry, store):
    follower, _ = replica(slots=3)
    await steps(follower)
    version = publish_peft(registry, 1)
    damage(registry, version)
    mine, _ = start_canary(registry, store, version)
    await steps(follower)
    assert registry.aliases().canary is None and registry.get(version).status == "rejected"
    assert follower.ready and await answering(follower, chat=mine) == BASE


async def test_without_the_database_a_chat_stays_with_its_canary(replica, registry, store):
    follower, _ = replica(slots=3)
    version = publish_peft(registry, 1)
    await steps(follower)
    mine, other = start_canary(registry, store, version)
    await steps(follower)
    follower._registry = Registry(connect("redis://127.0.0.1:1/0"), registry.folder)
    assert [await answering(follower, chat=chat) for chat in (mine, other, None)] == [version, BASE, BASE]


async def test_without_the_database_the_last_known_version_answers(replica, registry, base):
    version = publish_peft(registry, 1)
    registry.promote(version, "ann", "")
    follower, _ = replica(slots=3)
    await steps(follower)
    follower._registry = Registry(connect("redis://127.0.0.1:1/0"), registry.folder)
    assert await answering(follower) == version and follower.ready
