"""The store on disk: what is listed is whole, nothing escapes its folder, everything written can be read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from core_hooks.capture.local_store import LocalStore
from core_hooks.capture.store import Store


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# --- the shape of it


def test_a_store_has_the_documented_arguments_and_defaults() -> None:
    store = LocalStore()
    assert isinstance(store, Store)
    assert (store.base_path, store.runs_prefix, store.dataset_prefix, store.model_prefix) == (
        Path(""),
        "runs",
        "datasets",
        "models",
    )
    assert LocalStore("x", "r", "d", "m").runs_prefix == "r"


def test_the_abstract_store_cannot_be_made() -> None:
    with pytest.raises(TypeError):
        Store()  # type: ignore[abstract]


def test_files_lie_where_the_layout_says(store: LocalStore) -> None:
    store.put_run_metadata("r", {"a": 1})
    store.put_run_batch("r", 3, [torch.zeros(1)])
    store.put_detector_metadata("r", 3, {"l": {"x": 1}}, {"l": {"k": torch.zeros(1)}})
    store.put_run_detector_metadata("r", {"l": {"x": 1}}, {"l": {"k": torch.zeros(1)}})
    assert files_below(store.base_path) == {
        "runs/r/meta.json",
        "runs/r/batch_000003.safetensors",
        "runs/r/batch_3/metadata.json",
        "runs/r/batch_3/l/k.safetensors",
        "runs/r/detectors/batch_000000.safetensors",
    }


def test_files_are_plain_safetensors_and_json(store: LocalStore) -> None:
    value = torch.randn(2, 3)
    batch = store.put_run_batch("r", 0, {"a": value})
    folder = Path(store.put_detector_metadata("r", 0, {"l": {"shape": (2, 3)}}, {"l": {"k": value}}))
    assert torch.equal(load_file(batch)["a"], value)
    assert torch.equal(load_file(folder / "l" / "k.safetensors")["tensor"], value)
    assert json.loads((folder / "metadata.json").read_text()) == {"l": {"shape": [2, 3]}}


# --- run batches


def test_a_list_comes_back_as_a_list_in_order(store: LocalStore) -> None:
    tensors = [torch.full((2,), float(i)) for i in range(12)]
    store.put_run_batch("r", 0, tensors)
    got = store.get_run_batch("r", 0)
    assert isinstance(got, list)
    assert [float(t[0]) for t in got] == list(range(12))


def test_a_mapping_comes_back_as_a_mapping(store: LocalStore) -> None:
    store.put_run_batch("r", 0, {"b": torch.ones(1), "a": torch.zeros(1)})
    got = store.get_run_batch("r", 0)
    assert isinstance(got, dict)
    assert {key: float(t) for key, t in got.items()} == {"a": 0.0, "b": 1.0}


def test_an_empty_batch_comes_back_empty(store: LocalStore) -> None:
    store.put_run_batch("r", 0, [])
    assert store.get_run_batch("r", 0) == []


def test_a_batch_written_again_is_replaced(store: LocalStore) -> None:
    store.put_run_batch("r", 0, {"a": torch.zeros(1), "b": torch.zeros(1)})
    store.put_run_batch("r", 0, {"a": torch.ones(1)})
    assert list(store.get_run_batch("r", 0)) == ["a"]


def test_batches_are_listed_and_iterated_ascending(store: LocalStore) -> None:
    for index in (10, 2, 0):
        store.put_run_batch("r", index, [torch.tensor([index])])
    store.put_detector_metadata("r", 5, {}, {"l": {"k": torch.tensor([5])}})
    assert store.list_run_batches("r") == [0, 2, 5, 10]
    batches = list(store.iter_run_batches("r"))
    assert [int(batches[i][0]) for i in (0, 1, 3)] == [0, 2, 10]  # type: ignore[index]
    assert batches[2] == {"l/k": torch.tensor([5])}


def test_a_range_of_batches_takes_start_stop_and_step(store: LocalStore) -> None:
    for index in range(6):
        store.put_run_batch("r", index, [torch.tensor([index])])

    def indices(**kwargs: Any) -> list[int]:
        return [int(batch[0]) for batch in store.iter_run_batch_range("r", **kwargs)]  # type: ignore[index]

    assert indices() == [0, 1, 2, 3, 4, 5]
    assert indices(start=1, stop=5, step=2) == [1, 3]
    assert indices(start=4) == [4, 5]
    assert list(store.iter_run_batch_range("unknown")) == []


@pytest.mark.parametrize("arguments", [{"start": -1}, {"step": 0}])
def test_a_range_with_a_negative_start_or_no_step_is_refused(store: LocalStore, arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"start|step"):
        store.iter_run_batch_range("r", **arguments)


def test_an_unknown_run_has_no_batches_and_no_metadata(store: LocalStore) -> None:
    assert store.list_run_batches("unknown") == []
    assert store.get_run_metadata("unknown") == {}
    store.delete_run("unknown")


def test_a_missing_batch_layer_or_key_is_an_error_that_names_it(store: LocalStore) -> None:
    store.put_detector_metadata("r", 0, {}, {"l": {"k": torch.zeros(1)}})
    with pytest.raises(FileNotFoundError, match="Run 'r' has no batch 7"):
        store.get_run_batch("r", 7)
    with pytest.raises(FileNotFoundError, match="no 'other' of layer 'l'"):
        store.get_detector_metadata_by_layer_by_key("r", 0, "l", "other")


# --- arguments


@pytest.mark.parametrize("run_id", ["", None])
def test_an_empty_run_id_is_refused(store: LocalStore, run_id: Any) -> None:
    with pytest.raises(ValueError, match="run_id must not be empty"):
        store.put_run_batch(run_id, 0, [])


def test_a_negative_batch_index_is_refused(store: LocalStore) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        store.put_run_batch("r", -1, [])
    with pytest.raises(ValueError, match="must not be negative"):
        store.get_detector_metadata("r", -1)


@pytest.mark.parametrize(("layer", "key"), [("", "k"), ("l", "")])
def test_an_empty_layer_or_key_is_refused(store: LocalStore, layer: str, key: str) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        store.put_detector_metadata("r", 0, {}, {layer: {key: torch.zeros(1)}})
    with pytest.raises(ValueError, match="must not be empty"):
        store.get_detector_metadata_by_layer_by_key("r", 0, layer, key)


ESCAPES = ["..", ".", "../x", "a/b", "a\\b", "/etc", "C:x", "C:\\x", "a\0b", "a\nb", "x.", ".. ", "x" * 300]


@pytest.mark.parametrize("name", ESCAPES)
def test_d66_a_run_id_layer_or_key_that_is_no_single_path_component_is_refused(store: LocalStore, name: str) -> None:
    one = torch.zeros(1)
    for attempt in (
        lambda: store.put_run_metadata(name, {}),
        lambda: store.delete_run(name),
        lambda: store.put_detector_metadata("r", 0, {}, {name: {"k": one}}),
        lambda: store.put_detector_metadata("r", 0, {name: {}}, {}),
        lambda: store.put_detector_metadata("r", 0, {}, {"l": {name: one}}),
        lambda: store.put_run_detector_metadata("r", {}, {name: {"k": one}}),
    ):
        with pytest.raises(ValueError, match="must be a plain file name"):
            attempt()
    assert not store.base_path.exists()


@given(name=st.text(max_size=12))
def test_d66_whatever_the_run_id_nothing_is_written_outside_the_runs_folder(tmp_path: Path, name: str) -> None:
    store = LocalStore(tmp_path / "inner")
    try:
        path = Path(store.put_run_metadata(name, {}))
    except ValueError:
        return
    assert path.parent.parent == tmp_path / "inner" / "runs"
    assert store.get_run_metadata(name) == {}
    assert [child.name for child in tmp_path.iterdir()] == ["inner"]


def test_d66_delete_run_removes_everything_of_the_run_and_nothing_else(store: LocalStore) -> None:
    for run in ("r", "other"):
        store.put_run_metadata(run, {"a": 1})
        store.put_run_batch(run, 0, [torch.zeros(1)])
        store.put_detector_metadata(run, 0, {}, {"l": {"k": torch.zeros(1)}})
        store.put_run_detector_metadata(run, {}, {"l": {"k": torch.zeros(1)}})
    kept = {name for name in files_below(store.base_path) if "/other/" in name}
    store.delete_run("r")
    assert files_below(store.base_path) == kept
    assert store.list_run_batches("r") == []
    assert Path(store.put_run_detector_metadata("r", {}, {})).name == "batch_000000.safetensors"


def test_d49_d66_a_layer_given_as_a_position_is_stored_under_its_decimal_text(store: LocalStore) -> None:
    store.put_detector_metadata("r", 0, {5: {"x": 1}}, {5: {"k": torch.ones(1)}})  # type: ignore[dict-item]
    metadata, tensors = store.get_detector_metadata("r", 0)
    assert (metadata, list(tensors)) == ({"5": {"x": 1}}, ["5"])
    got = store.get_detector_metadata_by_layer_by_key("r", 0, 5, "k")  # type: ignore[arg-type]
    assert float(got) == 1.0


def test_one_layer_given_by_position_and_by_text_is_refused_rather_than_lost(store: LocalStore) -> None:
    both = {5: {"k": torch.ones(1)}, "5": {"k": torch.zeros(1)}}
    with pytest.raises(ValueError, match="given twice"):
        store.put_detector_metadata("r", 0, {}, both)  # type: ignore[arg-type]


# --- detector data


def test_detector_data_comes_back_by_layer_and_key(store: LocalStore) -> None:
    tensors = {"l0": {"activations": torch.randn(2, 3), "mask": torch.ones(2, dtype=torch.bool)}, "l1": {}}
    store.put_detector_metadata("r", 0, {"l0": {"note": "x"}, "l1": {}}, tensors)
    metadata, got = store.get_detector_metadata("r", 0)
    assert metadata == {"l0": {"note": "x"}, "l1": {}}
    assert torch.equal(got["l0"]["activations"], tensors["l0"]["activations"])
    assert got["l0"]["mask"].dtype is torch.bool
    one = store.get_detector_metadata_by_layer_by_key("r", 0, "l0", "activations")
    assert torch.equal(one, tensors["l0"]["activations"])


def test_a_detector_batch_written_again_keeps_nothing_of_the_old_one(store: LocalStore) -> None:
    store.put_detector_metadata("r", 0, {"old": {}}, {"old": {"k": torch.zeros(1)}})
    store.put_detector_metadata("r", 0, {"new": {}}, {"new": {"k": torch.zeros(1)}})
    metadata, tensors = store.get_detector_metadata("r", 0)
    assert list(metadata) == list(tensors) == ["new"]


def test_d66_the_detector_data_of_a_whole_run_can_be_read_back(store: LocalStore) -> None:
    for i in range(3):
        store.put_run_detector_metadata("r", {"l": {"x_shape": (1, i)}}, {"l": {"k": torch.full((1,), i)}})
    read = list(store.iter_run_detector_metadata("r"))
    assert [metadata["l"]["x_shape"] for metadata, _ in read] == [(1, 0), (1, 1), (1, 2)]
    assert [int(tensors["l"]["k"]) for _, tensors in read] == [0, 1, 2]
    assert list(store.iter_run_detector_metadata("unknown")) == []


def test_d69_appending_to_a_run_writes_only_what_is_new(store: LocalStore) -> None:
    written = []
    for i in range(5):
        path = Path(store.put_run_detector_metadata("r", {"l": {}}, {"l": {"k": torch.full((64,), i)}}))
        written.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    assert len({size for _, size, _ in written}) == 1
    assert all(path.stat().st_mtime_ns == time for time, _, path in written)


def test_d69_another_store_object_appends_behind_what_is_there(store: LocalStore) -> None:
    store.put_run_detector_metadata("r", {}, {"l": {"k": torch.zeros(1)}})
    LocalStore(store.base_path).put_run_detector_metadata("r", {}, {"l": {"k": torch.ones(1)}})
    store.put_run_detector_metadata("r", {}, {"l": {"k": torch.full((1,), 2.0)}})
    assert [float(t["l"]["k"]) for _, t in store.iter_run_detector_metadata("r")] == [0.0, 1.0, 2.0]


def test_a_store_without_a_reader_of_whole_runs_says_so(store: LocalStore) -> None:
    with pytest.raises(NotImplementedError, match="LocalStore cannot read"):
        Store.iter_run_detector_metadata(store, "r")


# --- tensors of every kind


@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int64, torch.uint8]
    + [torch.bool, torch.float8_e4m3fn, torch.complex64, torch.uint16],
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_every_dtype_and_shape_comes_back_bit_for_bit(
    store: LocalStore, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    value = torch.randint(0, 2, shape).to(dtype)
    store.put_run_batch("r", 0, {"a": value, "odd": torch.ones(3, dtype=torch.uint8)})
    got = store.get_run_batch("r", 0)["a"]  # type: ignore[call-overload]
    assert (got.dtype, got.shape) == (dtype, value.shape)
    assert torch.equal(got.view(-1).view(torch.uint8), value.reshape(-1).view(torch.uint8))


def test_d65_transposed_strided_conjugated_and_expanded_tensors_are_stored_by_value(
    store: LocalStore,
) -> None:
    base = torch.arange(6.0).view(2, 3)
    tensors = {
        "t": base.t(),
        "s": base[:, ::2],
        "e": torch.ones(1).expand(4),
        "c": torch.tensor([1 + 2j]).conj(),
        "p": torch.nn.Parameter(base.clone()),
    }
    store.put_run_batch("r", 0, tensors)
    got = store.get_run_batch("r", 0)
    assert all(torch.equal(got[key], tensors[key]) for key in tensors)  # type: ignore[call-overload]


def test_d65_d04_inference_tensors_are_stored(store: LocalStore) -> None:
    with torch.inference_mode():
        value = torch.ones(2, 3).t()
    store.put_detector_metadata("r", 0, {}, {"l": {"k": value}})
    assert torch.equal(store.get_detector_metadata_by_layer_by_key("r", 0, "l", "k"), torch.ones(3, 2))


def test_d68_tensors_that_share_memory_are_stored_each_whole(store: LocalStore) -> None:
    base = torch.arange(4.0)
    store.put_run_batch("r", 0, [base, base, base[1:3]])
    got = store.get_run_batch("r", 0)
    assert [t.tolist() for t in got] == [[0, 1, 2, 3], [0, 1, 2, 3], [1, 2]]  # type: ignore[union-attr]


def test_d68_a_batch_index_of_a_million_and_more_is_read_whole(store: LocalStore) -> None:
    for index in (999_999, 1_000_000, 12_345_678):
        store.put_run_batch("r", index, [torch.tensor([index])])
    assert store.list_run_batches("r") == [999_999, 1_000_000, 12_345_678]
    assert [int(b[0]) for b in store.iter_run_batches("r")] == [999_999, 1_000_000, 12_345_678]  # type: ignore[index]


@pytest.mark.parametrize(
    "value",
    [torch.ones(2, device="meta"), torch.ones(2, 2).to_sparse(), [1.0], torch.ones(1).cfloat().cdouble()],
)
def test_what_safetensors_cannot_hold_is_refused_by_name_before_anything_is_written(
    store: LocalStore, value: Any
) -> None:
    with pytest.raises(ValueError, match="'l/bad'"):
        store.put_detector_metadata("r", 0, {}, {"l": {"good": torch.ones(1), "bad": value}})
    with pytest.raises(ValueError, match="'bad'"):
        store.put_run_batch("r", 0, {"bad": value})
    assert not store.base_path.exists()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_d77_a_tensor_on_the_gpu_is_stored_with_its_final_values(store: LocalStore) -> None:
    value = torch.zeros(1 << 24, device="cuda")
    for _ in range(50):
        value += 1
    store.put_run_batch("r", 0, [value])
    got = store.get_run_batch("r", 0)
    assert torch.equal(got[0], torch.full((1 << 24,), 50.0))  # type: ignore[index]


# --- metadata


def test_run_metadata_is_replaced_whole(store: LocalStore) -> None:
    store.put_run_metadata("r", {"a": 1})
    store.put_run_metadata("r", {"b": {"c": [1, "ü"]}})
    assert store.get_run_metadata("r") == {"b": {"c": [1, "ü"]}}


def test_d70_shapes_are_tuples_after_the_round_trip(store: LocalStore) -> None:
    metadata = {"l": {"activations_shape": (2, 3), "shape": (), "call_shapes": [1], "sizes": [4, 5]}}
    calls = {"c": {"x_shape": [(1, 2), (3, 4)]}}
    store.put_detector_metadata("r", 0, {**metadata, **calls}, {})
    got, _ = store.get_detector_metadata("r", 0)
    assert got == {**metadata, **calls}
    store.put_run_metadata("r", {"input_shape": (1, 2)})
    assert store.get_run_metadata("r") == {"input_shape": (1, 2)}


# --- whole or absent


def test_d67_metadata_that_json_cannot_hold_leaves_the_earlier_data(store: LocalStore) -> None:
    store.put_run_metadata("r", {"a": 1})
    store.put_detector_metadata("r", 0, {"l": {"a": 1}}, {"l": {"k": torch.zeros(1)}})
    before = files_below(store.base_path)
    with pytest.raises(ValueError, match="plain JSON values"):
        store.put_run_metadata("r", {"a": object()})
    with pytest.raises(ValueError, match="Metadata of layer 'l' must be plain JSON values"):
        store.put_detector_metadata("r", 0, {"l": {"a": object()}}, {"l": {"k": torch.ones(1)}})
    assert files_below(store.base_path) == before
    assert store.get_run_metadata("r") == {"a": 1}
    assert float(store.get_detector_metadata_by_layer_by_key("r", 0, "l", "k")) == 0.0


def test_d67_a_disk_that_fails_while_writing_leaves_the_earlier_data_and_no_rubbish(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_run_metadata("r", {"a": 1})
    store.put_run_batch("r", 0, [torch.zeros(1)])
    store.put_detector_metadata("r", 0, {"l": {"a": 1}}, {"l": {"k": torch.zeros(1)}})
    before = files_below(store.base_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for attempt in (
        lambda: store.put_run_metadata("r", {"a": 2}),
        lambda: store.put_run_batch("r", 0, [torch.ones(1)]),
        lambda: store.put_detector_metadata("r", 0, {"l": {"a": 2}}, {"l": {"k": torch.ones(1)}}),
        lambda: store.put_run_detector_metadata("r", {}, {"l": {"k": torch.ones(1)}}),
    ):
        with pytest.raises(OSError, match="No space left"):
            attempt()
    assert files_below(store.base_path) == before
    assert store.get_run_metadata("r") == {"a": 1}
    assert store.get_detector_metadata("r", 0)[0] == {"l": {"a": 1}}
    assert list(store.iter_run_detector_metadata("r")) == []


def test_d67_a_batch_folder_that_cannot_take_its_place_puts_the_earlier_one_back(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(store.put_detector_metadata("r", 0, {"l": {"a": 1}}, {"l": {"k": torch.zeros(1)}}))
    replace = os.replace
    refused = []

    def refuse_once(source: Any, target: Any) -> None:
        if Path(target) == folder and not refused:
            refused.append(source)
            raise PermissionError(13, "in use")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_once)
    with pytest.raises(PermissionError):
        store.put_detector_metadata("r", 0, {"l": {"a": 2}}, {})
    assert store.get_detector_metadata("r", 0)[0] == {"l": {"a": 1}}
    assert store.list_run_batches("r") == [0]


def test_a_torn_file_is_a_plain_error_and_is_never_unpickled(store: LocalStore) -> None:
    path = Path(store.put_run_batch("r", 0, [torch.zeros(100)]))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="no whole safetensors file"):
        store.get_run_batch("r", 0)
    meta = Path(store.put_run_metadata("r", {"a": 1}))
    meta.write_text("{")
    with pytest.raises(ValueError, match=r"meta\.json is not readable JSON"):
        store.get_run_metadata("r")
