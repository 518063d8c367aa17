"""The language model as a whole: its names, what its detectors hold, saving and opening."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import core_hooks
import core_hooks.language_model
from core_hooks.capture.local_store import LocalStore
from core_hooks.hooks import Controller, Detector, FunctionController, LayerActivationDetector
from core_hooks.language_model.language_model import LanguageModel
from tests.core_hooks.language_model.conftest import make_gpt2, make_llama, make_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = ["the cat sat on the mat", "the dog ran"]
FIRST, SECOND = "transformer.h.0", "transformer.h.1"


def catch(lm: LanguageModel, site: str | int | None, **options: Any) -> LayerActivationDetector:
    detector = LayerActivationDetector("unset", **options)
    lm.layers.register_hook(site, detector)
    return detector


# --- names


@pytest.mark.parametrize("name", ["LanguageModel", "LanguageModelContext", "LanguageModelLayers", "InferenceEngine"])
def test_names_are_importable_from_the_package_and_its_room(name: str) -> None:
    assert getattr(core_hooks, name) is getattr(core_hooks.language_model, name)
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        core_hooks.language_model.nope  # noqa: B018


def test_a_language_model_has_its_parts(lm: LanguageModel, store: LocalStore) -> None:
    assert lm.model is lm.context.model
    assert lm.tokenizer is lm.context.tokenizer
    assert lm.store is store
    assert lm.layers.context is lm.context
    assert lm.inference.lm is lm
    assert lm.lm_tokenizer.tokenize(["the"])["input_ids"].shape == (1, 1)


def test_the_store_can_be_set_later(store: LocalStore) -> None:
    lm = LanguageModel(make_gpt2(), make_tokenizer(), None)
    assert lm.store is None
    lm.store = store
    assert lm.store is lm.context.store is store


def test_the_model_id_is_the_given_one_the_configs_or_the_class_name() -> None:
    model = make_gpt2()
    assert LanguageModel(model, None, None, model_id="mine").model_id == "mine"
    assert LanguageModel(model, None, None).model_id == "GPT2LMHeadModel"
    model.config.name_or_path = "some/hub-id"
    assert LanguageModel(model, None, None).model_id == "some_hub-id"
    assert LanguageModel(nn.Linear(1, 1), None, None).model_id == "Linear"


# --- tokenize


def test_texts_are_padded_truncated_and_given_as_tensors(lm: LanguageModel) -> None:
    encodings = lm.tokenize([*TEXTS, " ".join(["the"] * 100)])
    assert encodings["input_ids"].shape == (3, 32)
    assert encodings["attention_mask"].sum(1).tolist() == [6, 3, 32]


def test_padding_with_a_maximal_length_is_to_the_longest(lm: LanguageModel) -> None:
    assert lm.tokenize(TEXTS, max_length=20)["input_ids"].shape == (2, 6)
    assert lm.tokenize(TEXTS, max_length=8, padding="max_length")["input_ids"].shape == (2, 8)


def test_options_reach_the_tokenizer(lm: LanguageModel) -> None:
    assert lm.tokenize(TEXTS, padding=False, return_tensors=None)["input_ids"][1] == [3, 6, 10]


def test_a_tokenizer_without_a_padding_token_pads_with_the_end_of_text() -> None:
    lm = LanguageModel(make_gpt2(), make_tokenizer(pad=False), None)
    assert lm.tokenizer.pad_token == "<eos>"
    assert lm.tokenize(TEXTS)["input_ids"][1].tolist() == [3, 6, 10, 1, 1, 1]


# --- what detectors hold


def test_detector_data_is_by_layer_signature_as_it_was_given(lm: LanguageModel) -> None:
    flat = "gpt2lmheadmodel_transformer_h_1"
    for site in (FIRST, flat, 0):
        catch(lm, site)
    lm.inference.execute_inference(TEXTS)
    metadata, tensors = lm.get_all_detector_metadata()
    assert list(metadata) == list(tensors) == [FIRST, flat, 0]
    assert tensors[FIRST]["activations"].shape == (2, 6, 16)
    assert metadata[FIRST]["activations_shape"] == (2, 6, 16)


def test_what_is_returned_does_not_change_with_the_detectors(lm: LanguageModel) -> None:
    catch(lm, FIRST)
    lm.inference.execute_inference(TEXTS)
    metadata, tensors = lm.get_all_detector_metadata()
    lm.clear_detectors()
    assert "activations" in tensors[FIRST]
    assert "activations_shape" in metadata[FIRST]


def test_clear_detectors_drops_everything(lm: LanguageModel) -> None:
    detector = catch(lm, FIRST, keep="all")
    lm.inference.execute_inference(TEXTS)
    lm.clear_detectors()
    assert (detector.metadata, detector.tensor_metadata, detector.captures) == ({}, {}, ())


def test_d48_two_detectors_on_one_layer_both_keep_their_data(lm: LanguageModel, store: LocalStore) -> None:
    lm.layers.register_hook(FIRST, FunctionController(FIRST, lambda x: x * 0))
    catch(lm, FIRST)
    catch(lm, FIRST, stage="after", hook_id="my/after")
    lm.inference.execute_inference(TEXTS)
    _, tensors = lm.get_all_detector_metadata()
    assert list(tensors) == [FIRST, f"{FIRST}@my%2Fafter"]
    lm.save_detector_metadata("r", 0)
    _, stored = store.get_detector_metadata("r", 0)
    assert stored[FIRST]["activations"].abs().sum() > 0
    assert stored[f"{FIRST}@my%2Fafter"]["activations"].abs().sum() == 0


def test_d49_a_detector_registered_by_position_is_stored_under_the_dotted_name(
    lm: LanguageModel, store: LocalStore
) -> None:
    catch(lm, 5)
    lm.inference.execute_inference(TEXTS)
    lm.save_detector_metadata("r", 0)
    metadata, tensors = store.get_detector_metadata("r", 0)
    assert list(metadata) == list(tensors) == [FIRST]


def test_d49_d48_a_name_and_a_position_of_one_layer_are_both_stored(lm: LanguageModel, store: LocalStore) -> None:
    catch(lm, 5)
    second = catch(lm, FIRST)
    lm.inference.execute_inference(TEXTS)
    lm.save_detector_metadata("r", 0)
    assert set(store.get_detector_metadata("r", 0)[1]) == {FIRST, f"{FIRST}@{second.id}"}


@pytest.mark.parametrize("site", ["", None])
def test_a_detector_on_the_model_itself_is_stored_under_its_class_name(
    lm: LanguageModel, store: LocalStore, site: Any
) -> None:
    catch(lm, site)
    lm.inference.execute_inference(TEXTS)
    lm.save_detector_metadata("r", 0)
    assert store.get_detector_metadata("r", 0)[1]["gpt2lmheadmodel"]["activations"].shape == (2, 6, 50)


def test_a_hook_that_is_both_is_saved_too(lm: LanguageModel, store: LocalStore) -> None:
    class Both(Controller, Detector):
        def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
            self.tensor_metadata["seen"] = output.clone()

        def modify_activations(self, module: nn.Module, inputs: Any, output: Any) -> torch.Tensor:
            return output

    lm.layers.register_hook("lm_head", Both())
    lm.inference.execute_inference(TEXTS)
    lm.save_detector_metadata("r", 0)
    assert store.get_detector_metadata("r", 0)[1]["lm_head"]["seen"].shape == (2, 6, 50)


@pytest.mark.parametrize("clear", [True, False])
def test_saving_clears_unless_told_otherwise(lm: LanguageModel, clear: bool) -> None:
    detector = catch(lm, FIRST)
    lm.inference.execute_inference(TEXTS)
    lm.save_detector_metadata("r", 0, clear_after_save=clear)
    assert (detector.get_captured() is None) is clear


def test_saving_needs_a_store_and_a_batch_index_in_the_contracts_words(lm: LanguageModel) -> None:
    with pytest.raises(ValueError, match=r"^batch_idx must be provided when unified is False$"):
        lm.save_detector_metadata("r", None)
    lm.store = None
    with pytest.raises(ValueError, match=r"^Store must be provided or set on the language model$"):
        lm.save_detector_metadata("r", 0)
    with pytest.raises(ValueError, match=r"^Store must be provided or set on the language model$"):
        lm.save_detector_metadata("r", None, unified=True)


def test_d66_d69_unified_saving_appends_and_can_be_read_back(lm: LanguageModel, store: LocalStore) -> None:
    catch(lm, FIRST)
    paths = []
    for text in TEXTS:
        lm.inference.execute_inference([text])
        paths.append(Path(lm.save_detector_metadata("r", None, unified=True)))
    assert len(set(paths)) == 2
    shapes = [tensors[FIRST]["activations"].shape for _, tensors in store.iter_run_detector_metadata("r")]
    assert shapes == [(1, 6, 16), (1, 3, 16)]


def test_d80_a_detector_with_a_store_of_its_own_is_saved_to_that_one(
    lm: LanguageModel, store: LocalStore, tmp_path: Path
) -> None:
    own = LocalStore(tmp_path / "own")
    catch(lm, FIRST, store=own)
    catch(lm, SECOND)
    lm.inference.execute_inference(TEXTS)
    lm.save_detector_metadata("r", 0)
    assert list(own.get_detector_metadata("r", 0)[1]) == [FIRST]
    assert list(store.get_detector_metadata("r", 0)[1]) == [SECOND]


def test_d80_detectors_with_stores_of_their_own_need_no_other(lm: LanguageModel, tmp_path: Path) -> None:
    own = LocalStore(tmp_path / "own")
    catch(lm, FIRST, store=own)
    lm.store = None
    lm.inference.infer_texts(TEXTS)
    assert lm.save_detector_metadata("r", 0).startswith(str(own.base_path))
    catch(lm, SECOND)
    with pytest.raises(ValueError, match="Store must be provided"):
        lm.save_detector_metadata("r", 1)


def test_d80_inputs_of_a_layer_are_captured_and_stored(lm: LanguageModel, store: LocalStore) -> None:
    detector = LayerActivationDetector("lm_head", hook_type="pre_forward")
    lm.layers.register_hook("lm_head", detector)
    lm.inference.execute_inference(TEXTS)
    lm.save_detector_metadata("r", 0)
    assert store.get_detector_metadata_by_layer_by_key("r", 0, "lm_head", "activations").shape == (2, 6, 16)


def test_d70_shapes_read_back_equal_those_in_memory(lm: LanguageModel, store: LocalStore) -> None:
    detector = catch(lm, FIRST)
    lm.inference.execute_inference(TEXTS)
    before = dict(detector.metadata)
    lm.save_detector_metadata("r", 0)
    assert store.get_detector_metadata("r", 0)[0][FIRST] == before


# --- saving and opening


def same_logits(first: LanguageModel, second: LanguageModel) -> bool:
    logits = [lm.inference.execute_inference(TEXTS)[0].logits for lm in (first, second)]
    return torch.equal(*logits)


@pytest.mark.parametrize("make", [make_gpt2, make_llama])
def test_a_saved_model_comes_back_the_same(store: LocalStore, make: Callable[[], nn.Module]) -> None:
    lm = LanguageModel(make(), make_tokenizer(), store, model_id="mine")
    path = lm.save_model()
    assert path == store.base_path / "models" / "mine"
    opened = LanguageModel.from_local(path, store)
    assert opened.model_id == "mine"
    assert type(opened.model) is type(lm.model)
    assert opened.tokenizer.pad_token == "<pad>"
    assert same_logits(lm, opened)


def test_a_model_without_a_head_comes_back_as_its_own_class(store: LocalStore, tmp_path: Path) -> None:
    path = LanguageModel(make_gpt2().transformer, make_tokenizer(), store).save_model(tmp_path / "x")
    assert type(LanguageModel.from_local(path, store).model).__name__ == "GPT2Model"


def test_a_saved_model_holds_no_pickles(lm: LanguageModel, tmp_path: Path) -> None:
    names = {path.name for path in lm.save_model(tmp_path / "x").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not {name for name in names if name.endswith((".pt", ".pth", ".bin", ".pkl"))}


def test_a_compiled_model_is_saved_as_its_original(lm: LanguageModel, store: LocalStore, tmp_path: Path) -> None:
    compiled = LanguageModel(torch.compile(lm.model, backend="eager"), lm.tokenizer, store)
    assert same_logits(lm, LanguageModel.from_local(compiled.save_model(tmp_path / "x"), store))


def test_saving_needs_a_path_or_a_store() -> None:
    lm = LanguageModel(make_gpt2(), make_tokenizer(), None)
    with pytest.raises(ValueError, match="Store must be provided or set on the language model"):
        lm.save_model()


def test_saving_over_an_earlier_saving_replaces_it_and_over_anything_else_is_refused(
    lm: LanguageModel, tmp_path: Path
) -> None:
    path = lm.save_model(tmp_path / "x")
    lm.save_model(path)
    mine = tmp_path / "mine"
    mine.mkdir()
    lm.save_model(mine)
    thesis = tmp_path / "work" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("years")
    for target in (thesis.parent, thesis):
        with pytest.raises(FileExistsError, match="holds something else"):
            lm.save_model(target)
    assert thesis.read_text() == "years"


def test_a_saving_that_fails_leaves_the_earlier_one(
    lm: LanguageModel, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lm.save_model(tmp_path / "x")

    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lm.tokenizer, "save_pretrained", full)
    with pytest.raises(OSError, match="No space left"):
        lm.save_model(path)
    assert same_logits(lm, LanguageModel.from_local(path, store))
    assert [child.name for child in tmp_path.iterdir() if child.name.startswith(".")] == []


def test_a_plain_module_is_saved_and_its_weights_are_loaded_into_another(store: LocalStore, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    path = LanguageModel(model, None, store).save_model(tmp_path / "x")
    with pytest.raises(ValueError, match="the weights of a Sequential, which transformers cannot build; pass model="):
        LanguageModel.from_local(path, store)
    fresh = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    fresh[1].weight = fresh[0].weight
    opened = LanguageModel.from_local(path, store, model=fresh)
    assert opened.tokenizer is None
    assert torch.equal(fresh[0].weight, model[0].weight)
    assert torch.equal(fresh[1].bias, model[1].bias)
    with pytest.raises(ValueError, match="does not fit a Linear"):
        LanguageModel.from_local(path, store, model=nn.Linear(2, 2))


def test_a_folder_of_save_pretrained_opens_and_is_named_after_itself(store: LocalStore, tmp_path: Path) -> None:
    model, tokenizer = make_gpt2(), make_tokenizer()
    model.save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    opened = LanguageModel.from_local(tmp_path / "tiny", store)
    assert opened.model_id == "tiny"
    assert same_logits(opened, LanguageModel(model, tokenizer, store))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("nested", [True, False])
def test_weights_in_one_file_are_loaded_into_what_the_id_or_the_model_says(
    lm: LanguageModel, store: LocalStore, tmp_path: Path, suffix: str, nested: bool
) -> None:
    folder = lm.save_model(tmp_path / "architecture")
    state = {name: tensor.clone() for name, tensor in lm.model.state_dict().items()}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"model_state_dict": state, "model_id": str(folder)} if nested else state, path)
    by_id = LanguageModel.from_local(path, store, model_id=str(folder))
    assert "/" not in by_id.model_id
    assert same_logits(by_id, lm)
    by_model = LanguageModel.from_local(path, store, model=make_gpt2(), tokenizer=make_tokenizer())
    assert same_logits(by_model, lm)
    if suffix == ".pt" and nested:
        assert same_logits(LanguageModel.from_local(path, store), lm)
    else:
        with pytest.raises(ValueError, match="pass model_id= or model="):
            LanguageModel.from_local(path, store)


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("evil"),))


def test_nothing_is_ever_unpickled(store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pt"
    torch.save({"model_state_dict": Evil()}, path)
    with pytest.raises(ValueError, match="cannot be read as plain weights, and nothing else is ever unpickled"):
        LanguageModel.from_local(path, store, model=make_gpt2())
    assert not (tmp_path / "evil").exists()
    path.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="cannot be read as plain weights"):
        LanguageModel.from_local(path, store, model=make_gpt2())


def test_opening_what_is_not_there_or_is_no_model_is_an_error(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no saved model at"):
        LanguageModel.from_local(tmp_path / "nowhere", store)
    with pytest.raises(FileNotFoundError, match="holds no model"):
        LanguageModel.from_local(tmp_path, store)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="holds a list, not the weights of a model"):
        LanguageModel.from_local(tmp_path / "list.pt", store, model=make_gpt2())


def test_from_huggingface_opens_by_name_and_keeps_the_parameters(store: LocalStore, tmp_path: Path) -> None:
    make_gpt2().save_pretrained(tmp_path / "tiny")
    make_tokenizer().save_pretrained(tmp_path / "tiny")
    lm = LanguageModel.from_huggingface(
        str(tmp_path / "tiny"),
        store,
        tokenizer_params={"padding_side": "left"},
        model_params={"dtype": torch.float16},
        device="cpu",
    )
    assert lm.context.dtype is torch.float16
    assert lm.context.tokenizer_params == {"padding_side": "left"}
    assert lm.context.model_params == {"dtype": torch.float16}
    assert lm.tokenizer.padding_side == "left"
    assert lm.model_id == str(tmp_path / "tiny").replace("/", "_")


def test_from_local_torch_opens_model_and_tokenizer_from_two_folders(store: LocalStore, tmp_path: Path) -> None:
    model = make_gpt2()
    model.save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "words")
    opened = LanguageModel.from_local_torch(tmp_path / "model", tmp_path / "words", store)
    assert same_logits(opened, LanguageModel(model, make_tokenizer(), store))


def test_a_hooked_model_is_saved_without_its_hooks(lm: LanguageModel, store: LocalStore, tmp_path: Path) -> None:
    clean = lm.inference.execute_inference(TEXTS)[0].logits
    catch(lm, FIRST)
    lm.layers.register_hook(FIRST, FunctionController(FIRST, lambda x: x * 0))
    opened = LanguageModel.from_local(lm.save_model(tmp_path / "x"), store)
    assert torch.equal(opened.inference.execute_inference(TEXTS)[0].logits, clean)
    assert json.loads((tmp_path / "x" / "language_model.json").read_text())["model_id"] == "GPT2LMHeadModel"


@pytest.mark.parametrize(
    "site", ["model.layers.1.self_attn.q_proj", "llamaforcausallm_model_layers_1_self_attn_q_proj"]
)
def test_a_llama_is_hooked_by_any_spelling(llama: LanguageModel, site: str) -> None:
    detector = catch(llama, site)
    llama.inference.execute_inference(TEXTS)
    captured = detector.get_captured()
    assert captured is not None
    assert captured.shape == (2, 6, 16)
