"""Adapter versions: named by their hash, refused with the reason, moved by compare-and-set."""

import json
import shutil
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from adapters.aliases import Aliases, AliasTable, Canary
from adapters.install import install
from adapters.manifest import CONFIG, WEIGHTS, describe, read_tensors, seal, version_id
from adapters.registry import Registry
from adapters.verify import verify
from core import keys
from core.errors import AdapterRefused, AliasMoved, FenceLost, InvalidInput, NotFound
from core.records import BASE
from feedback.audit import AuditLog
from tests.adapter_files import IDENTITY, SHAPES, publish_peft, write_base, write_peft

NESTED = struct.pack("<Q", 10**5) + b"[" * 10**5


def check(folder, version=None, base_hash="base-hash"):
    return verify(folder, "the model", base_hash, SHAPES, IDENTITY, version)


def test_the_same_adapter_has_one_name_wherever_it_was_saved(tmp_path):
    one = describe(write_peft(tmp_path / "a"), "the model", "base-hash", IDENTITY)
    two = describe(write_peft(tmp_path / "b", targets=("q_proj", "v_proj")), "another word", "base-hash", IDENTITY)
    assert one.id == two.id and len(one.id) == 64
    names = {one.id}
    names.add(describe(tmp_path / "a", "the model", "another-base", IDENTITY).id)
    names.add(describe(tmp_path / "a", "the model", "base-hash", "r2-aaaa-512").id)
    names.add(describe(write_peft(tmp_path / "c", seed=1), "the model", "base-hash", IDENTITY).id)
    assert len(names) == 4


def test_a_sealed_version_names_no_path_of_a_machine(tmp_path):
    folder = write_peft(tmp_path / "a")
    seal(folder, describe(folder, "the model", "base-hash", IDENTITY))
    assert "/home" not in (folder / CONFIG).read_text()
    assert check(folder).base_model == "the model"


def test_a_plain_peft_folder_gets_its_manifest(tmp_path):
    folder = write_peft(tmp_path / "a")
    manifest = check(folder)
    assert (manifest.parent, manifest.rank, manifest.targets) == (BASE, 2, ("q_proj", "v_proj"))
    assert manifest.id == version_id(manifest, read_tensors(folder / WEIGHTS))


def _edit(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def _truncate(folder):
    raw = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(raw[:-10])


def _flip_a_bit(folder):
    raw = bytearray((folder / WEIGHTS).read_bytes())
    raw[-3] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(raw))


def _config(folder, **fields):
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | fields))


def _header(folder, header):
    raw = json.dumps(header).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(16))


def _entry(**changed):
    """A damage: a header with one entry, in which fields are changed, or left out where None."""
    entry = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]} | changed
    return lambda f: _header(f, {NAME: {k: v for k, v in entry.items() if v is not None}})


NAME = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
MAGNITUDE = NAME.replace("A.weight", "magnitude_vector")
DAMAGE = {
    "truncated": (_truncate, "truncated"),
    "cut header": (lambda f: (f / WEIGHTS).write_bytes(struct.pack("<Q", 10**6) + b"{}"), "truncated"),
    "not safetensors": (lambda f: (f / WEIGHTS).write_bytes(b"hello"), "cannot be read"),
    "missing": (lambda f: (f / WEIGHTS).unlink(), "cannot be read"),
    "bit flip": (_flip_a_bit, "do not match their name"),
    "nan": (lambda f: _edit(f, lambda t: t[NAME].fill(np.nan)), "not finite"),
    "infinite": (lambda f: _edit(f, lambda t: t[NAME].fill(np.inf)), "not finite"),
    "huge": (lambda f: _edit(f, lambda t: t[NAME].fill(1e4)), "drown"),
    "wrong width": (lambda f: _edit(f, lambda t: t.update({NAME: np.zeros((2, 7), "float32")})), "needs"),
    "half a pair": (lambda f: _edit(f, lambda t: t.pop(NAME)), "q_proj lacks A.weight"),
    "unknown layer": (lambda f: _edit(f, lambda t: t.update({"x.lora_A.weight": t[NAME]})), "no linear layer"),
    "another rank": (lambda f: _config(f, r=3), "needs"),
    "other scaling": (lambda f: _config(f, lora_alpha=400), "same adapter"),
    "dora without magnitudes": (lambda f: _config(f, use_dora=True), "lacks magnitude_vector"),
    "magnitudes without dora": (
        lambda f: _edit(f, lambda t: t.update({MAGNITUDE: np.ones(8, "float32")})),
        "no linear",
    ),
    "other scaling by rank": (lambda f: _config(f, use_rslora=True), "same adapter"),
    "qalora": (lambda f: _config(f, use_qalora=True), "QALoRA"),
    "whole layers": (lambda f: _config(f, modules_to_save=["lm_head"]), "modules_to_save"),
    "repeated layers": (lambda f: _config(f, layer_replication=[[0, 2]]), "layer_replication"),
    "another base within": (lambda f: _config(f, init_lora_weights="pissa_niter_4"), "begun with pissa_niter_4"),
    "bias": (lambda f: _config(f, bias="all"), "biases"),
    "ia3": (lambda f: _config(f, peft_type="IA3"), "is IA3; only LoRA"),
    "prefix tuning": (lambda f: _config(f, peft_type="PREFIX_TUNING"), "is PREFIX_TUNING; only LoRA"),
    "no config": (lambda f: (f / CONFIG).unlink(), "PEFT"),
    "header is a list": (lambda f: _header(f, [1, 2]), "malformed header"),
    "header nests without end": (lambda f: (f / WEIGHTS).write_bytes(NESTED), "cannot be read"),
    "entry is a number": (lambda f: _header(f, {NAME: 5}), "malformed header"),
    "no dtype": (_entry(dtype=None), "dtype is not what"),
    "no shape": (_entry(shape=None), "shape is not what"),
    "no offsets": (_entry(data_offsets=None), "data_offsets is not what"),
    "one offset": (_entry(data_offsets=[0]), "data_offsets"),
    "negative offsets": (_entry(data_offsets=[-16, 0]), "data_offsets"),
    "shape of text": (_entry(shape=["2", 2]), "shape"),
    "dtype of a list": (_entry(dtype=["F32"]), "dtype"),
    "config is a list": (lambda f: (f / CONFIG).write_text("[]"), "PEFT"),
    "no rank": (lambda f: _config(f, r=None), "no usable r:"),
    "rank of text": (lambda f: _config(f, r="2"), "no usable r:"),
    "rank nought": (lambda f: _config(f, r=0), "no usable r:"),
    "no scaling": (lambda f: _config(f, lora_alpha=None), "no usable lora_alpha"),
    "scaling beyond numbers": (lambda f: _config(f, lora_alpha=float("nan")), "no usable lora_alpha"),
    "scaling of a hundred digits": (lambda f: _config(f, lora_alpha=10**400), "no usable lora_alpha"),
    "targets of numbers": (lambda f: _config(f, target_modules=[1, "q_proj"]), "no usable target_modules"),
    "broken manifest": (lambda f: (f / "manifest.json").write_text("{"), "manifest.json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_adapters_are_refused_with_the_reason(tmp_path, damage):
    folder = write_peft(tmp_path / "a")
    seal(folder, describe(folder, "the model", "base-hash", IDENTITY))
    harm, reason = DAMAGE[damage]
    harm(folder)
    with pytest.raises(AdapterRefused, match=reason):
        check(folder)


def test_another_base_or_another_name_is_refused(tmp_path):
    folder = write_peft(tmp_path / "a")
    seal(folder, describe(folder, "the model", "base-hash", IDENTITY))
    with pytest.raises(AdapterRefused, match="another base model"):
        check(folder, base_hash="other")
    with pytest.raises(AdapterRefused, match="do not match their name"):
        check(folder, version="f" * 64)


def test_an_adapter_of_a_rank_that_serving_has_no_room_for_is_not_installed(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    base = write_base(tmp_path / "base")
    folder = write_peft(tmp_path / "a", rank=4)
    with pytest.raises(AdapterRefused, match="rank 4; up to 3 is served"):
        install(registry, folder, base, IDENTITY, max_rank=3)
    assert registry.versions() == [] and not list(registry.folder.iterdir())
    assert install(registry, folder, base, IDENTITY, max_rank=4).rank == 4


def test_a_promotion_waits_until_every_serving_process_has_it(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    first = publish_peft(registry, 1)
    registry.heartbeat("r1", [BASE], {})
    registry.heartbeat("r2", [BASE], {})
    registry.promote(first[:12], "ann", "try it")
    assert registry.aliases().live == BASE and registry.get(first).status == "incoming"
    registry.heartbeat("r1", [BASE, first], {})
    assert not registry.settle()
    registry.heartbeat("r2", [BASE, first], {})
    assert registry.settle() and registry.route() == first
    assert [(e.what, e.who) for e in AuditLog(store).page()] == [("live", "serving"), ("promote", "ann")]


def test_a_rollback_goes_back_and_is_remembered(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    first, second = publish_peft(registry, 1), publish_peft(registry, 2)
    for version in (first, second):
        registry.promote(version, "ann", "")
    assert {v.id: v.status for v in registry.versions()} == {first: "previous", second: "live"}
    assert registry.rollback("ann", "worse") == first
    assert registry.get(second).status == "rejected"
    store.set(keys.REFRESH_FENCE, 7)
    with pytest.raises(InvalidInput, match="rejected"):
        registry.promote(second, "gate", "", fence=7)
    registry.promote(second, "ann", "I know better")
    assert registry.route() == second
    assert registry.rollback("ann", "") == first and registry.rollback("ann", "") == BASE
    with pytest.raises(InvalidInput, match="no earlier"):
        registry.rollback("ann", "")


def test_a_worker_that_lost_its_lock_writes_nothing(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    store.set(keys.REFRESH_FENCE, 2)
    with pytest.raises(FenceLost):
        publish_peft(registry, 1, fence=1)
    assert registry.versions() == []
    version = publish_peft(registry, 1, fence=2)
    with pytest.raises(FenceLost):
        registry.promote(version, "gate", "", fence=1)
    with pytest.raises(AliasMoved):
        registry.promote(version, "gate", "", fence=2, against="e" * 64)
    assert registry.route() == BASE


def test_publishing_twice_changes_nothing_and_a_killed_publisher_leaves_nothing(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    version = publish_peft(registry, 1)
    shutil.rmtree(registry.draft("half-written"))
    registry.draft("half-written")
    (registry.folder / ".draft-half-written" / WEIGHTS).write_bytes(b"half")
    assert publish_peft(registry, 1) == version
    assert [v.id for v in registry.versions()] == [version]
    assert check(registry.path(version), version).id == version
    with pytest.raises(NotFound):
        registry.get("0")


def test_what_serving_should_hold_comes_most_needed_first(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    versions = [publish_peft(registry, n) for n in range(5)]
    registry.promote(versions[0], "ann", "")
    registry.promote(versions[1], "ann", "")
    registry.reject(versions[4])
    registry.heartbeat("r1", [BASE], {})
    registry.promote(versions[2], "ann", "")
    wanted = registry.wanted(4)
    assert wanted[:3] == [versions[1], versions[2], versions[0]] and wanted[3] == versions[3]


def test_a_retired_version_never_answers_again_and_its_files_go(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    oldest, previous, live, spare = (publish_peft(registry, n) for n in range(4))
    for version in (oldest, previous, live):
        registry.promote(version, "ann", "")
    for used in (previous, live):
        with pytest.raises(InvalidInput, match="promote another one first"):
            registry.retire(used, "ann", "")
    for version in (oldest, spare):
        registry.retire(version[:12], "ann", "too old")
        assert registry.get(version).status == "retired" and not registry.path(version).exists()
    newest = AuditLog(store).page(count=1)[0]
    assert (newest.what, newest.who, newest.subject, newest.why) == ("retire", "ann", spare, "too old")
    assert set(registry.wanted(9)) == {live, previous}
    with pytest.raises(InvalidInput, match="retired already"):
        registry.retire(spare, "ann", "")
    with pytest.raises(InvalidInput, match="was retired and never answers"):
        registry.promote(spare, "ann", "")
    assert registry.rollback("ann", "") == previous
    assert registry.rollback("ann", "") == BASE, "the way back leads past what was retired"


def test_a_version_retired_while_somebody_promotes_it_does_not_answer(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    version = publish_peft(registry, 1)
    seen = AliasTable(store).read()
    registry.retire(version, "ann", "")
    for to in (Aliases(version), Aliases(incoming=version), Aliases(canary=Canary(version, 0.5, BASE, 1))):
        with pytest.raises(InvalidInput, match="was retired"):
            AliasTable(store).move(seen, to, [])
    assert registry.aliases() == seen


def test_a_version_on_trial_or_on_its_way_is_not_retired(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    tried, coming = publish_peft(registry, 1), publish_peft(registry, 2)
    registry.start_canary(tried, 0.5, "ann", "", None, BASE)
    registry.heartbeat("r1", [BASE, tried], {})
    with pytest.raises(InvalidInput, match="on its way"):
        registry.retire(tried, "ann", "")
    registry.promote(coming, "ann", "")
    with pytest.raises(InvalidInput, match="on its way"):
        registry.retire(coming, "ann", "")
    registry.retire(tried, "ann", "")


def test_nothing_moves_where_the_names_point_elsewhere_than_was_seen(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    one, two = publish_peft(registry, 1), publish_peft(registry, 2)
    seen = registry.aliases()
    registry.promote(one, "ann", "", seen=seen)
    with pytest.raises(AliasMoved):
        registry.promote(two, "ben", "", seen=seen)
    with pytest.raises(AliasMoved):
        registry.start_canary(two, 0.5, "ben", "", None, BASE, seen=seen)
    seen = registry.aliases()
    registry.start_canary(two, 0.5, "ann", "", None, one, seen=seen)
    with pytest.raises(AliasMoved):
        registry.rollback("ben", "", seen=seen)
    assert (registry.aliases().live, registry.aliases().canary.version) == (one, two)


def test_it_is_known_which_version_was_live_in_whose_place(store, tmp_path):
    registry = Registry(store, tmp_path / "adapters")
    one, two = publish_peft(registry, 1), publish_peft(registry, 2)
    registry.promote(one, "gate", "3 wins")
    registry.heartbeat("r1", [BASE, one], {})
    registry.promote(two, "ann", "later")
    assert [(r.live, r.was) for r in registry.reigns()] == [(one, BASE)], "it is on its way only"
    registry.heartbeat("r1", [BASE, one, two], {})
    registry.settle()
    registry.rollback("ann", "worse")
    assert [(r.live, r.was, r.who, r.why) for r in registry.reigns()] == [
        (one, BASE, "gate", "3 wins"),
        (two, one, "serving", "installed everywhere"),
        (one, two, "ann", "worse"),
    ]
