from __future__ import annotations

import json

import pytest

from mi_crow_gui.document import resource_files
from mi_crow_gui.document.resource_files import ResourceMissing, demo_prompts, resource


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with nothing in it yet."""
    folder = tmp_path / "site-packages" / "mi_crow_gui"
    folder.mkdir(parents=True)
    monkeypatch.setattr(resource_files, "_PACKAGE", folder)
    return folder


def test_a_source_checkout_uses_the_folder_at_its_top(package):
    (package.parent / "resources" / "icons").mkdir(parents=True)
    assert resource("icons") == package.parent / "resources" / "icons"


def test_an_installed_wheel_uses_its_own_folder_though_another_lies_beside_it(package):
    (package.parent / "resources" / "demo_model").mkdir(parents=True)
    (package / "_resources" / "demo_model").mkdir(parents=True)
    assert resource_files.demo_model_folder() == package / "_resources" / "demo_model"


def test_a_missing_resource_is_named_with_what_to_do(package):
    with pytest.raises(ResourceMissing, match="Install mi-crow-inspector again"):
        resource("icons", "run.svg")
    (package / "_resources").mkdir()
    with pytest.raises(ResourceMissing, match=r"icons/run\.svg"):
        resource("icons", "run.svg")


def test_this_checkout_has_its_resources():
    assert resource("demo_model").is_dir()


def write_prompts(package, text):
    folder = package / "_resources" / "demo_model"
    folder.mkdir(parents=True)
    (folder / "prompts.json").write_text(text, encoding="utf-8")


def test_demo_prompts_come_in_the_order_of_their_file(package):
    entries = [{"name": name, "text": name * 2, "look_for": "…"} for name in "ba"]
    write_prompts(package, json.dumps(entries))
    assert [(prompt.name, prompt.text, prompt.look_for) for prompt in demo_prompts()] == [
        ("b", "bb", "…"),
        ("a", "aa", "…"),
    ]


@pytest.mark.parametrize("text", ["not json", '[{"name": "a"}]', "7", "[7]"])
def test_damaged_demo_prompts_are_one_clear_error(package, text):
    write_prompts(package, text)
    with pytest.raises(ResourceMissing, match=r"prompts\.json is damaged"):
        demo_prompts()
