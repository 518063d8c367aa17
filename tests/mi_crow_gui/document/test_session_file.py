from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_hooks.model.reference import ModelReference
from mi_crow_gui.document import session_file
from mi_crow_gui.document.folders import data_folder
from mi_crow_gui.document.hook_spec import CONTROLLER, HookSpec
from mi_crow_gui.document.session_file import SessionError, dumps, load, loads, save
from mi_crow_gui.document.workspace import PlotSpec, Workspace
from tests.mi_crow_gui.document import strategies as some

WORKSPACE = Workspace(
    model=ModelReference("resources/demo_model", trust_code=True),
    prompt="When Mary and John went to the store ,",
    hooks=(
        HookSpec("transformer.h.1", id="a"),
        HookSpec("transformer.h.1.attn", CONTROLLER, code="lambda x: 0 * x", id="b"),
        HookSpec("transformer.h.2", "a_plugin", options=(("k", "5"),), id="c"),
    ),
    plots=(PlotSpec("heatmap", "transformer.h.1", id="p"),),
    drafts=(("transformer.h.2", "lambda x: "),),
    selected_site="",
)


def edited(text: str, *path: str | int, value: object) -> str:
    """The session text with one value changed in an editor."""
    data = json.loads(text)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(data)


def on_another_machine(text: str) -> str:
    return edited(text, "signature", value="0" * 64)


def test_a_session_comes_back_as_it_was_saved(tmp_path):
    path = tmp_path / "work.microw"
    save(path, WORKSPACE)
    loaded = load(path)
    assert loaded.workspace == WORKSPACE
    assert (loaded.foreign, loaded.needs_review, loaded.notes) == (False, False, ())


def test_a_foreign_session_without_code_needs_no_review():
    loaded = loads(on_another_machine(dumps(Workspace(hooks=WORKSPACE.hooks[:1]))))
    assert (loaded.foreign, loaded.needs_review, loaded.notes) == (True, False, ())


@given(some.workspaces)
def test_any_workspace_comes_back_as_it_was(workspace):
    assert loads(dumps(workspace)).workspace == workspace


def test_a_session_is_plain_json_that_names_its_format_and_versions():
    data = json.loads(dumps(WORKSPACE))
    assert (data["format"], data["version"]) == ("mi-crow session", 1)
    assert data["workspace"]["hooks"][1]["code"] == "lambda x: 0 * x"


def test_code_of_another_machine_opens_switched_off_and_the_rest_stays_on():
    loaded = loads(on_another_machine(dumps(WORKSPACE)))
    assert loaded.foreign
    assert [(hook.enabled, hook.trusted) for hook in loaded.workspace.hooks] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert loaded.workspace.hooks[1].code == "lambda x: 0 * x"
    assert loaded.needs_review
    assert "2 hooks with code are switched off until reviewed" in loaded.notes[0]


def test_consent_to_run_a_models_code_does_not_travel():
    loaded = loads(on_another_machine(dumps(WORKSPACE)))
    assert not loaded.workspace.model.trust_code
    assert "needs your own consent" in loaded.notes[1]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("workspace", "hooks", 1, "code"), "lambda x: print(x)"),
        (("workspace", "hooks", 1, "site"), "lm_head"),
        (("workspace", "hooks", 0, "kind"), "controller"),
        (("workspace", "hooks", 2, "options"), {"k": "6"}),
        (("workspace", "drafts"), {"transformer.h.2": "lambda x: print(x)"}),
        (("workspace", "model", "source"), "os:getcwd"),
        (("signature",), None),
        (("signature",), ""),
        (("signature",), "é"),
        (("signature",), 7),
    ],
)
def test_a_session_whose_code_was_changed_elsewhere_is_foreign(path, value):
    assert loads(edited(dumps(WORKSPACE), *path, value=value)).foreign


def test_unreviewed_code_does_not_become_trusted_by_saving_and_editing_the_file():
    foreign = loads(on_another_machine(dumps(WORKSPACE))).workspace
    again = dumps(foreign)
    assert loads(again).workspace.hooks == foreign.hooks
    forged = edited(
        edited(again, "workspace", "hooks", 1, "trusted", value=True), "workspace", "hooks", 1, "enabled", value=True
    )
    assert not loads(forged).workspace.hooks[1].trusted


def test_an_edited_prompt_leaves_a_session_ones_own():
    loaded = loads(edited(dumps(WORKSPACE), "workspace", "prompt", value="edited by hand"))
    assert not loaded.foreign
    assert loaded.workspace == replace(WORKSPACE, prompt="edited by hand")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX systems")
def test_the_key_is_for_its_owner_alone_and_made_once():
    first = dumps(WORKSPACE)
    key = data_folder() / "session.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert dumps(WORKSPACE) == first
    assert list(data_folder().iterdir()) == [key]


def test_a_key_cut_short_is_made_anew():
    data_folder().mkdir(parents=True)
    (data_folder() / "session.key").write_bytes(b"short")
    assert not loads(dumps(WORKSPACE)).foreign
    assert len((data_folder() / "session.key").read_bytes()) == 32


def test_without_a_place_for_the_key_sessions_are_saved_and_open_as_foreign(caplog):
    data_folder().parent.mkdir(parents=True)
    data_folder().write_text("a file where the folder should be")
    assert loads(dumps(WORKSPACE)).foreign
    assert "Sessions can't be signed" in caplog.text


def says_why_not(text: str, words: str, tmp_path) -> None:
    with pytest.raises(SessionError) as error:
        loads(text)
    assert words in str(error.value)
    path = tmp_path / "bad.microw"
    path.write_text(text)
    with pytest.raises(SessionError) as error:
        load(path)
    assert str(error.value).startswith(f"Can't open {path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON (line 1)"),
        ('{\n"a": ]', "not valid JSON (line 2)"),
        ("[]", "not a session of this program"),
        ('{"format": "something"}', "not a session of this program"),
        ("[" * 200_000, "nested too deeply"),
        ('{"format": "mi-crow session", "version": 1' + "0" * 5000 + "}", "not valid JSON"),
    ],
)
def test_what_is_no_session_is_one_clear_sentence(text, words, tmp_path):
    says_why_not(text, words, tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("version", 2, "newer version"),
        ("version", "1", "no valid session format version"),
        ("version", True, "no valid session format version"),
        ("workspace", None, "The workspace must be a JSON object, not null"),
        ("workspace prompt", 3, "The workspace: prompt must be a text, not 3"),
        ("workspace hooks", {}, "hooks must be a list"),
        ("workspace hooks", [7], "Hook 1 must be a JSON object, not 7"),
        ("workspace hooks", [{"site": "h"}], "Hook 1 has no kind"),
        ("workspace hooks 1 stage", "between", 'Hook 2: stage must be "before", "after" or "input", not \'between\''),
        ("workspace hooks 0 enabled", 1, "true or false, not 1"),
        ("workspace hooks 0 options", [], "must be a JSON object"),
        ("workspace model", {"source": ""}, "names no source"),
        ("workspace generation seed", -1, "seed must be a whole number"),
        ("workspace generation seed", 2**64, "seed must be a whole number"),
        ("workspace generation max_new_tokens", 0, "from 1 on, not 0"),
        ("workspace generation temperature", float("nan"), "number from 0 on"),
        ("workspace drafts", {"h.0": None}, "h.0 must be a text, not null"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_named(path, value, words, tmp_path):
    keys = [int(key) if key.isdecimal() else key for key in path.split()]
    says_why_not(edited(dumps(WORKSPACE), *keys, value=value), words, tmp_path)


def test_a_file_that_is_absent_binary_or_huge_is_one_clear_sentence(tmp_path, monkeypatch):
    with pytest.raises(SessionError, match="No such file"):
        load(tmp_path / "absent.microw")
    path = tmp_path / "bad.microw"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SessionError, match="not a text in UTF-8"):
        load(path)
    monkeypatch.setattr(session_file, "LARGEST_FILE", 2)
    with pytest.raises(SessionError, match="never above 2 B"):
        load(path)


def test_a_session_that_cannot_be_written_is_one_clear_sentence(tmp_path):
    with pytest.raises(SessionError, match=r"Can't write .*work\.microw: No such file"):
        save(tmp_path / "nowhere" / "work.microw", WORKSPACE)


def test_a_session_with_fields_of_tomorrow_opens_and_names_what_it_left_out():
    text = edited(edited(dumps(WORKSPACE), "colour", value=1), "workspace", "hooks", 0, "mood", value=2)
    loaded = loads(text)
    assert loaded.workspace.prompt == WORKSPACE.prompt
    assert "Left out what this version does not know: colour, mood." in loaded.notes


def test_missing_fields_have_their_defaults():
    text = edited(dumps(WORKSPACE), "workspace", value={"hooks": [{"site": "h", "kind": "capture"}]})
    (hook,) = loads(text).workspace.hooks
    assert (hook.site, hook.enabled, hook.trusted) == ("h", True, True)
    assert hook.id


def test_an_id_that_comes_twice_is_made_unique():
    hook = {"site": "h", "kind": "capture", "id": "same"}
    first, second = loads(edited(dumps(Workspace()), "workspace", "hooks", value=[hook, hook])).workspace.hooks
    assert first.id == "same"
    assert second.id != "same"


def test_a_byte_order_mark_and_halves_of_characters_do_no_harm(tmp_path):
    path = tmp_path / "work.microw"
    text = edited(dumps(WORKSPACE), "workspace", "prompt", value="a\ud800b 😀")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load(path).workspace.prompt == "a\ufffdb 😀"


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
any_json = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
places = st.sampled_from(
    [
        ("workspace",),
        ("workspace", "model"),
        ("workspace", "hooks"),
        ("workspace", "hooks", 0),
        ("workspace", "hooks", 1, "options"),
        ("workspace", "generation"),
        ("workspace", "plots"),
        ("workspace", "drafts"),
        ("signature",),
        ("origin",),
        ("version",),
    ]
)


@given(any_json, places)
def test_whatever_stands_in_a_field_the_session_opens_or_says_why_not(value, place):
    text = edited(dumps(WORKSPACE), *place, value=value)
    try:
        workspace = loads(text).workspace
    except SessionError:
        return
    assert loads(dumps(workspace)).workspace == workspace
