from __future__ import annotations

import copy as copy_module
import dataclasses
import json
import shutil
import threading
from typing import TYPE_CHECKING

import pytest
import torch
from transformers import AutoModelForCausalLM

from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.estimate import estimate
from core_hooks.model.opening import open_model, open_tree
from core_hooks.model.reference import ModelReference, OpenProgress
from core_hooks.model.tree import build_tree
from tests.core_hooks.model.tiny import FAMILIES, save_folder, tiny_model

if TYPE_CHECKING:
    from pathlib import Path

    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.records import ModuleTree


@pytest.fixture
def copy(gpt2_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny GPT-2 that may be damaged."""
    return shutil.copytree(gpt2_folder, tmp_path / "copy")


def open_folder(folder: Path, **choices: object) -> OpenedModel:
    return open_model(ModelReference(str(folder), **choices))


def refusal(source: object, **choices: object) -> str:
    with pytest.raises(ModelError) as caught:
        open_model(ModelReference(str(source), **choices))
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    assert text.endswith(".")
    return text


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_opened_folder_computes_what_from_pretrained_computes(gpt2: OpenedModel, gpt2_folder: Path) -> None:
    plain = AutoModelForCausalLM.from_pretrained(gpt2_folder)
    ids = torch.arange(12)[None]
    with torch.no_grad():
        assert torch.equal(gpt2.model(ids).logits, plain(ids).logits)


def test_an_opened_model_is_in_evaluation_mode_and_asks_for_no_gradients(gpt2: OpenedModel) -> None:
    assert not any(module.training for module in gpt2.model.modules())
    assert not any(parameter.requires_grad for parameter in gpt2.model.parameters())


def test_the_summary_says_what_the_config_and_the_weights_say(gpt2: OpenedModel) -> None:
    summary = gpt2.summary
    assert (summary.architecture, summary.name) == ("GPT2LMHeadModel", "tiny-gpt2")
    assert (summary.context_length, summary.vocabulary, summary.blocks) == (64, 96, 3)
    assert (summary.heads, summary.width, summary.has_tokenizer) == (4, 32, True)
    assert summary.parameters == sum(p.numel() for p in gpt2.model.parameters())
    assert (summary.bytes, summary.dtype, summary.device) == (4 * summary.parameters, "float32", "cpu")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("model_type", [*FAMILIES, "vit"])
def test_every_parameter_and_buffer_is_that_of_from_pretrained(model_type: str, dtype: str, tmp_path: Path) -> None:
    model = copy_module.deepcopy(tiny_model(model_type)).to(getattr(torch, dtype))
    model.config.dtype = dtype
    model.save_pretrained(tmp_path)
    plain = type(model).from_pretrained(tmp_path)
    opened = open_folder(tmp_path)
    assert opened.notes[1:] == ()
    for named in ("named_parameters", "named_buffers"):
        ours = dict(getattr(opened.model, named)(remove_duplicate=False))
        theirs = dict(getattr(plain, named)(remove_duplicate=False))
        assert ours.keys() == theirs.keys()
        for name, tensor in ours.items():
            assert tensor.dtype == theirs[name].dtype
            assert torch.equal(tensor, theirs[name]), name
    assert [r.tied_to for r in opened.tree] == [r.tied_to for r in build_tree(plain)]


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "bert", "t5", "gemma2"])
def test_a_plain_checkpoint_is_put_straight_into_the_skeleton(
    model_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_folder(tmp_path, model_type)
    monkeypatch.setattr(type(tiny_model(model_type)), "from_pretrained", None)
    assert open_folder(folder).summary.blocks == 3


def test_a_tied_weight_that_is_stored_twice_is_left_to_transformers(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    weights["lm_head.weight"] = weights["transformer.wte.weight"] + 1
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    plain = AutoModelForCausalLM.from_pretrained(copy)
    assert torch.equal(open_folder(copy).model.lm_head.weight, plain.lm_head.weight)


def test_the_hierarchy_arrives_before_the_weights_and_stays_the_same(gpt2_folder: Path) -> None:
    events: list[object] = []

    def on_tree(tree: ModuleTree) -> None:
        events.append(tree)

    def on_progress(progress: OpenProgress) -> None:
        if progress.unit == "bytes":
            events.append(progress)

    opened = open_model(ModelReference(str(gpt2_folder)), on_tree=on_tree, on_progress=on_progress)
    early = events[0]
    assert [r.path for r in early] == [r.path for r in opened.tree]
    assert [(r.parameters, r.tied_to) for r in early] == [(r.parameters, r.tied_to) for r in opened.tree]
    assert early.root.device == "meta"
    last = events[-1]
    assert last.done == last.total > 0


def test_a_tree_needs_no_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert open_tree(ModelReference(str(copy))).root.class_name == "GPT2LMHeadModel"
    assert "holds no weights" in refusal(copy)


def test_a_single_safetensors_file_opens_with_the_config_beside_it(gpt2_folder: Path) -> None:
    assert open_folder(gpt2_folder / "model.safetensors").summary.blocks == 3


def test_the_dtype_asked_for_is_used(gpt2_folder: Path) -> None:
    opened = open_folder(gpt2_folder, dtype="bfloat16")
    assert opened.summary.dtype == "bfloat16"
    assert opened.summary.bytes == 2 * opened.summary.parameters


def test_the_attention_asked_for_is_used(gpt2_folder: Path) -> None:
    assert open_folder(gpt2_folder, attention="eager").summary.attention == "eager"


def test_an_encoder_opens_as_a_masked_language_model(tmp_path: Path) -> None:
    opened = open_folder(save_folder(tmp_path / "bert", "bert", tokenizer=False))
    assert opened.summary.architecture == "BertForMaskedLM"
    assert not opened.summary.has_tokenizer
    assert "token ids" in opened.notes[0]


def test_without_architectures_in_the_config_the_class_is_chosen_by_its_kind(tmp_path: Path) -> None:
    for model_type, name in {
        "gpt2": "GPT2LMHeadModel",
        "bert": "BertForMaskedLM",
        "t5": "T5ForConditionalGeneration",
    }.items():
        folder = save_folder(tmp_path / model_type, model_type, tokenizer=False)
        edit_config(folder, architectures=None)
        assert open_folder(folder).summary.architecture == name


def test_a_cancelled_opening_raises_and_says_so(gpt2_folder: Path) -> None:
    cancel = threading.Event()
    seen: list[ModuleTree] = []

    def stop(tree: ModuleTree) -> None:
        seen.append(tree)
        cancel.set()

    with pytest.raises(OpeningCancelled):
        open_model(ModelReference(str(gpt2_folder)), on_tree=stop, cancel=cancel)
    assert seen


def test_an_opening_is_cancelled_between_two_tensors(gpt2_folder: Path) -> None:
    cancel = threading.Event()
    seen: list[OpenProgress] = []

    def stop(progress: OpenProgress) -> None:
        if progress.unit == "bytes":
            seen.append(progress)
            cancel.set()

    with pytest.raises(OpeningCancelled):
        open_model(ModelReference(str(gpt2_folder)), on_progress=stop, cancel=cancel)
    assert seen[-1].done < seen[-1].total


def test_a_closed_model_gives_its_weights_back(gpt2_folder: Path) -> None:
    import weakref

    opened = open_folder(gpt2_folder)
    weight = weakref.ref(opened.model.lm_head.weight)
    opened.close()
    opened.close()
    assert opened.closed
    assert weight() is None
    assert opened.tree.root.class_name == "GPT2LMHeadModel"


def test_a_folder_without_a_config_is_refused(copy: Path) -> None:
    (copy / "config.json").unlink()
    assert str(copy) in refusal(copy)
    assert "config.json" in refusal(copy)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    assert "check the path" in refusal(tmp_path / "nothing")


def test_an_empty_reference_is_refused() -> None:
    assert "No model is named" in refusal("  ")


def test_a_truncated_safetensors_is_refused_before_it_is_mapped(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "truncated or damaged" in refusal(copy)
    weights.write_bytes(b"\x01\x02")
    assert "truncated or damaged" in refusal(copy)
    weights.write_bytes(b"")
    assert "truncated or damaged" in refusal(copy)


def test_a_config_that_is_no_json_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text("{not json")
    assert "not valid JSON" in refusal(copy)
    (copy / "config.json").write_text("[1]")
    assert "no JSON object" in refusal(copy)
    (copy / "config.json").write_bytes(b"\xff\xfe\x00")
    assert "not valid JSON" in refusal(copy)


def test_an_unknown_architecture_is_refused_by_its_name(copy: Path) -> None:
    edit_config(copy, model_type="perpetuum", architectures=["PerpetuumForCausalLM"])
    assert "'perpetuum'" in refusal(copy)
    edit_config(copy, model_type=None)
    assert "model_type" in refusal(copy)


def test_a_config_of_another_width_is_refused_with_the_tensor(copy: Path) -> None:
    edit_config(copy, n_inner=256)
    text = refusal(copy)
    assert "contradicts" in text
    assert "mlp" in text


def test_a_config_with_more_blocks_than_the_weights_is_refused(copy: Path) -> None:
    edit_config(copy, n_layer=5)
    assert "are not in" in refusal(copy)


def test_a_config_with_fewer_blocks_opens_and_says_what_was_left_out(copy: Path) -> None:
    edit_config(copy, n_layer=2)
    assert "left out" in open_folder(copy).notes[0]


def test_a_config_with_an_impossible_value_is_refused(copy: Path) -> None:
    edit_config(copy, n_head=5)
    refusal(copy)
    edit_config(copy, n_head="four")
    refusal(copy)


def test_a_config_that_asks_for_a_million_blocks_is_refused_at_once(copy: Path) -> None:
    edit_config(copy, n_layer=10**6)
    assert "1,000,000 in n_layer" in refusal(copy)


def test_architectures_that_are_no_names_are_passed_over(copy: Path) -> None:
    for value in ([True], "text", 3, [["GPT2LMHeadModel"]]):
        edit_config(copy, architectures=value)
        try:
            assert open_folder(copy).summary.architecture == "GPT2LMHeadModel"
        except ModelError as error:
            assert "architectures" in str(error)  # noqa: PT017 - either is right


def test_a_model_larger_than_the_free_memory_is_refused_before_it_is_read(
    gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = ModelReference(str(gpt2_folder))
    needs = estimate(reference)
    assert needs.fits
    weights = 4 * open_model(reference).summary.parameters
    assert weights <= needs.needed < weights * 1.5
    assert estimate(dataclasses.replace(reference, dtype="bfloat16")).needed < needs.needed
    monkeypatch.setattr("core_hooks.model.estimate.free_memory", lambda device: 1000)
    assert not estimate(reference).fits
    text = refusal(gpt2_folder)
    assert f"{needs.needed:,}" in text
    assert "1,000 are free" in text


def test_a_pickled_checkpoint_is_refused_and_never_read(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert "pickle" in refusal(copy)
    assert "pickle" in refusal(copy / "pytorch_model.bin")


def test_a_missing_shard_is_refused_by_its_name(copy: Path) -> None:
    shutil.rmtree(copy)
    tiny_model("llama").save_pretrained(copy, max_shard_size="20KB")
    shards = sorted(copy.glob("*.safetensors"))
    assert len(shards) > 2
    assert open_folder(copy).summary.architecture == "LlamaForCausalLM"
    shards[1].unlink()
    assert shards[1].name in refusal(copy)


def test_a_damaged_index_is_refused(copy: Path) -> None:
    (copy / "model.safetensors.index.json").write_text('{"weight_map": 3}')
    assert "weight_map" in refusal(copy)


def test_a_damaged_tokenizer_is_left_out_and_the_model_opens(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}")
    opened = open_folder(copy)
    assert opened.tokenizer is None
    assert "token ids" in opened.notes[0]


def test_a_device_that_is_not_there_is_refused_with_those_that_are(gpt2_folder: Path) -> None:
    assert "use cpu" in refusal(gpt2_folder, device="cuda:77")


def test_a_dtype_that_does_not_exist_is_refused(gpt2_folder: Path) -> None:
    assert "float32" in refusal(gpt2_folder, dtype="float31")


def test_an_attention_that_does_not_exist_is_refused(gpt2_folder: Path) -> None:
    refusal(gpt2_folder, attention="telepathic")


def test_code_that_comes_with_a_model_is_not_run_without_consent(copy: Path) -> None:
    edit_config(
        copy, model_type="homemade", auto_map={"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    )
    (copy / "code.py").write_text("raise SystemExit('this ran')\n")
    text = refusal(copy)
    assert str(copy / "code.py") in text
    assert "consent" in text


def test_an_unknown_hub_id_is_refused_while_offline(tmp_path: Path) -> None:
    assert "local cache" in refusal("nobody/has-this-model")
    assert "neither" in refusal("not a hub id")


CODE = """
import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

class Config(PreTrainedConfig):
    model_type = "homemade"

class Model(PreTrainedModel):
    config_class = Config
    _tied_weights_keys = {}

    def __init__(self, config):
        super().__init__(config)
        self.embed = nn.Embedding(20, 4)
        self.post_init()

    def forward(self, input_ids):
        return self.embed(input_ids)
"""


def test_code_that_comes_with_a_model_runs_after_consent(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "code.py").write_text(CODE)
    (folder / "config.json").write_text(
        json.dumps({"model_type": "homemade", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}})
    )
    weight = torch.arange(80.0).reshape(20, 4)
    save_file({"embed.weight": weight}, folder / "model.safetensors", {"format": "pt"})
    assert "code.py" in refusal(folder)
    opened = open_folder(folder, trust_code=True)
    assert opened.summary.architecture == "Model"
    assert torch.equal(opened.model(torch.tensor([3])), weight[3:4])
