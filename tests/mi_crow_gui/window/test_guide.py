from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QUrl

from mi_crow_gui.document.controller_source import check
from mi_crow_gui.document.resource_files import demo_model_folder, demo_prompts, resource
from mi_crow_gui.window.actions import ACTIONS, plain_text
from mi_crow_gui.window.guide import PAGES, GuideDialog

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

NAMES = [name for name, _ in PAGES]


def _text(name: str) -> str:
    return resource("guide", f"{name}.md").read_text(encoding="utf-8")


def _code(text: str) -> list[str]:
    blocks = re.findall(r"(?:^ {4}.*\n?|^\n(?= {4}))+", text, flags=re.MULTILINE)
    return [textwrap.dedent(block).strip() for block in blocks if block.strip()]


@pytest.mark.parametrize("name", NAMES)
def test_every_page_is_shown_with_a_heading(qtbot: QtBot, name: str) -> None:
    guide = GuideDialog()
    qtbot.addWidget(guide)
    guide.show_page(name)
    assert guide.page == name
    assert guide._text.document().firstBlock().blockFormat().headingLevel() == 1


@pytest.mark.parametrize("name", NAMES)
def test_links_between_pages_lead_somewhere(name: str) -> None:
    assert {link.removesuffix(".md") for link in re.findall(r"\]\(([\w-]+\.md)\)", _text(name))} <= set(NAMES)


def test_a_link_opens_the_page(qtbot: QtBot) -> None:
    guide = GuideDialog()
    qtbot.addWidget(guide)
    guide._on_text_anchor_clicked(QUrl("controllers.md"))
    assert guide.page == "controllers"


@pytest.mark.parametrize("name", ["tour", "controllers"])
def test_every_controller_in_the_guide_can_be_applied(name: str) -> None:
    codes = _code(_text(name))
    assert codes
    assert [problem for code in codes for problem in check(code) if problem.severity == "error"] == []


@pytest.mark.parametrize("name", NAMES)
def test_shortcuts_in_the_guide_are_those_of_the_table(name: str) -> None:
    known = {keys for spec in ACTIONS for keys in spec.shortcuts} | {"Alt+Up", "Alt+Down"}
    assert set(re.findall(r"\b(?:(?:Ctrl|Alt|Shift)\+)+\w+", _text(name))) <= known


@pytest.mark.parametrize("name", NAMES)
def test_menu_entries_in_the_guide_are_those_of_the_table(name: str) -> None:
    known = {f"{spec.menu.partition('/')[0].replace('&', '')} › {plain_text(spec)}" for spec in ACTIONS}
    assert set(re.findall(r"\*(\w+ › [^*]+)\*", _text(name))) <= known


def test_the_tour_cuts_the_block_that_holds_the_demo_models_induction_heads() -> None:
    circuit = json.loads((demo_model_folder() / "circuit.json").read_text(encoding="utf-8"))
    blocks = {block for block, _ in circuit["induction_heads"]}
    cut = set(re.findall(r"transformer\.h\.(\d)\.attn", _text("tour")))
    assert cut == {str(block) for block in blocks}


def test_the_tour_names_a_prompt_that_the_demo_offers() -> None:
    names = {prompt.name for prompt in demo_prompts()}
    tour = " ".join(_text("tour").split())
    assert any(f"*{name}*" in tour for name in names)
    assert demo_prompts()[0].text.startswith("violin")
