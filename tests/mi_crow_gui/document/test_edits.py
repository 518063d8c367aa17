from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document import edits
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER, HookSpec
from mi_crow_gui.document.workspace import PlotSpec, Workspace
from tests.mi_crow_gui.document import strategies as some

A = HookSpec("h.0", id="a")
B = HookSpec("h.1", CONTROLLER, code="lambda x: x", id="b")
C = HookSpec("h.1", CONTROLLER, code="lambda x: x * 2", id="c")
ABC = Workspace(hooks=(A, B, C))


def ids(workspace: Workspace) -> str:
    return "".join(hook.id for hook in workspace.hooks)


def test_the_model_is_named_and_everything_else_stays():
    model = ModelReference("gpt2")
    assert edits.set_model(ABC, model) == replace(ABC, model=model)


def test_the_prompt_is_replaced():
    assert edits.set_prompt(ABC, "hello").prompt == "hello"


def test_the_generation_settings_are_replaced():
    settings = GenerationSettings(max_new_tokens=3)
    assert edits.set_generation(ABC, settings).generation == settings


def test_attaching_adds_one_detector_for_each_site_in_order():
    after = edits.attach(Workspace(), ["h.1", "h.0", "h.1"])
    assert [(hook.site, hook.kind, hook.enabled) for hook in after.hooks] == [
        ("h.1", CAPTURE, True),
        ("h.0", CAPTURE, True),
    ]


def test_a_site_gets_the_same_detector_only_once_but_one_for_each_stage():
    assert edits.attach(ABC, ["h.0"]) is ABC
    assert len(edits.attach(ABC, ["h.0"], stage="after").hooks) == 4


def test_a_site_may_have_several_controllers_and_a_detector_beside_them():
    after = edits.attach(ABC, ["h.1"], CONTROLLER, code="lambda x: x")
    after = edits.attach(after, ["h.1"])
    assert [hook.kind for hook in after.hooks_at("h.1")] == [CONTROLLER] * 3 + [CAPTURE]


def test_hooks_are_inserted_where_asked_and_an_id_never_twice():
    new = HookSpec("h.2", id="n")
    assert ids(edits.add_hooks(ABC, [new, A, new], position=1)) == "anbc"
    assert ids(edits.add_hooks(ABC, [new], position=99)) == "abcn"
    assert edits.add_hooks(ABC, [A]) is ABC


def test_removing_hooks_keeps_the_rest_and_the_drafts():
    workspace = edits.set_draft(ABC, "h.1", "typed")
    after = edits.remove_hooks(workspace, {"b", "nobody"})
    assert ids(after) == "ac"
    assert after.draft("h.1") == "typed"


def test_hooks_are_switched_off_and_on():
    off = edits.set_enabled(ABC, ["a", "c"], False)
    assert [hook.enabled for hook in off.hooks] == [False, True, False]
    assert edits.set_enabled(off, ["a", "c"], True) == ABC


def test_unreviewed_code_stays_off_until_it_is_trusted():
    foreign = Workspace(hooks=(replace(B, trusted=False, enabled=False),))
    assert edits.set_enabled(foreign, ["b"], True) is foreign
    assert edits.trust(foreign, ["b"]).hooks == (B,)
    assert edits.trust(foreign, ["b"], enable=False).hooks == (replace(B, enabled=False),)


def test_trusting_leaves_hooks_alone_that_were_trusted_and_off():
    off = edits.set_enabled(ABC, ["b"], False)
    assert edits.trust(off, ["b"]) is off


def test_a_hook_moves_by_its_delta_and_no_further_than_the_ends():
    assert ids(edits.move_hook(ABC, "a", 1)) == "bac"
    assert ids(edits.move_hook(ABC, "c", -2)) == "cab"
    assert ids(edits.move_hook(ABC, "b", 99)) == "acb"
    assert ids(edits.move_hook(ABC, "b", -99)) == "bac"
    assert edits.move_hook(ABC, "nobody", 1) is ABC
    assert edits.move_hook(ABC, "a", -1) is ABC


def test_setting_code_makes_it_ones_own():
    foreign = Workspace(hooks=(replace(B, trusted=False, enabled=False),))
    (hook,) = edits.set_code(foreign, "b", "lambda x: 0 * x").hooks
    assert (hook.code, hook.trusted, hook.enabled) == ("lambda x: 0 * x", True, False)


def test_the_stage_of_detectors_is_set():
    assert edits.set_stage(ABC, ["a"], "after").hook("a").stage == "after"


def test_the_options_of_a_hook_are_set():
    options = (("k", "5"),)
    assert edits.set_hook_options(ABC, "a", options).hook("a").options == options


def test_applying_a_controller_changes_the_first_one_of_the_site_and_switches_it_on():
    workspace = edits.set_enabled(edits.set_draft(ABC, "h.1", "lambda x: -x"), ["b"], False)
    after = edits.apply_controller(workspace, "h.1", "lambda x: -x")
    assert after.hooks == (A, replace(B, code="lambda x: -x"), C)
    assert after.draft("h.1") is None


def test_applying_to_a_named_controller_changes_that_one():
    assert edits.apply_controller(ABC, "h.1", "new", "c").hooks == (A, B, replace(C, code="new"))


def test_applying_to_a_site_without_a_controller_adds_one_and_never_touches_a_detector():
    after = edits.apply_controller(ABC, "h.0", "lambda x: x", "a")
    assert after.hooks[:3] == ABC.hooks
    assert (after.hooks[3].site, after.hooks[3].kind, after.hooks[3].code) == (
        "h.0",
        CONTROLLER,
        "lambda x: x",
    )


def test_plots_are_added_changed_and_removed_by_id():
    plot = PlotSpec("heatmap", "h.0", id="p")
    one = edits.add_plot(ABC, plot)
    assert one.plots == (plot,)
    assert edits.add_plot(one, plot) is one
    moved = replace(plot, site="h.1")
    assert edits.set_plot(one, moved).plots == (moved,)
    assert edits.set_plot(one, replace(moved, id="other")) is one
    assert edits.remove_plots(one, ["p"]) == ABC


def test_a_draft_is_kept_in_its_place_and_dropped_by_none():
    workspace = edits.set_draft(edits.set_draft(ABC, "h.0", "one"), "h.1", "two")
    assert edits.set_draft(workspace, "h.0", "uno").drafts == (("h.0", "uno"), ("h.1", "two"))
    assert edits.set_draft(workspace, "h.0", None).drafts == (("h.1", "two"),)
    assert edits.set_draft(workspace, "h.0", "").draft("h.0") == ""


def test_a_site_is_selected_and_the_model_itself_is_one():
    assert edits.select_site(ABC, "").selected_site == ""
    assert edits.select_site(edits.select_site(ABC, ""), None).selected_site is None


any_edit = st.one_of(
    st.tuples(st.just(edits.set_model), some.models),
    st.tuples(st.just(edits.set_prompt), some.texts),
    st.tuples(st.just(edits.set_generation), some.settings),
    st.tuples(st.just(edits.attach), st.lists(some.sites, max_size=3), some.kinds),
    st.tuples(st.just(edits.add_hooks), st.lists(some.hooks, max_size=3), st.none() | st.integers(-9, 9)),
    st.tuples(st.just(edits.remove_hooks), st.lists(some.texts)),
    st.tuples(st.just(edits.set_enabled), st.lists(some.texts), st.booleans()),
    st.tuples(st.just(edits.trust), st.lists(some.texts)),
    st.tuples(st.just(edits.move_hook), some.texts, st.integers(-9, 9)),
    st.tuples(st.just(edits.set_code), some.texts, some.texts),
    st.tuples(st.just(edits.set_stage), st.lists(some.texts), some.stages),
    st.tuples(st.just(edits.set_hook_options), some.texts, some.options),
    st.tuples(st.just(edits.apply_controller), some.sites, some.texts, st.none() | some.texts),
    st.tuples(st.just(edits.add_plot), some.plots),
    st.tuples(st.just(edits.remove_plots), st.lists(some.texts)),
    st.tuples(st.just(edits.set_plot), some.plots),
    st.tuples(st.just(edits.set_draft), some.sites, st.none() | some.texts),
    st.tuples(st.just(edits.select_site), st.none() | some.sites),
)


def with_present_ids(data, workspace: Workspace, arguments: tuple) -> list:
    """The arguments, with ids that exist put for some of the generated texts."""
    present = [hook.id for hook in workspace.hooks] + [plot.id for plot in workspace.plots]
    if not present:
        return list(arguments)
    some_ids = data.draw(st.lists(st.sampled_from(present), min_size=1))
    return [
        some_ids if isinstance(argument, list) and all(isinstance(item, str) for item in argument) else argument
        for argument in arguments
    ]


@given(some.workspaces, any_edit, st.data())
def test_any_edit_of_any_workspace_leaves_ids_unique_and_says_when_nothing_changed(workspace, edit, data):
    function, *arguments = edit
    if function not in (edits.attach, edits.add_hooks):
        arguments = with_present_ids(data, workspace, tuple(arguments))
    after = function(workspace, *arguments)
    assert len({hook.id for hook in after.hooks}) == len(after.hooks)
    assert len({plot.id for plot in after.plots}) == len(after.plots)
    assert len(dict(after.drafts)) == len(after.drafts)
    assert (after == workspace) == (after is workspace)


@given(some.workspaces, any_edit)
def test_an_edit_touches_only_the_part_it_is_about(workspace, edit):
    function, *arguments = edit
    after = function(workspace, *arguments)
    changed = {
        field.name for field in fields(Workspace) if getattr(after, field.name) != getattr(workspace, field.name)
    }
    assert len(changed) <= 1 or (function is edits.apply_controller and changed == {"hooks", "drafts"})


@given(some.workspaces, st.data())
def test_moving_keeps_the_same_hooks_in_the_same_order_but_for_the_moved_one(workspace, data):
    if not workspace.hooks:
        return
    hook = data.draw(st.sampled_from(workspace.hooks))
    after = edits.move_hook(workspace, hook.id, data.draw(st.integers(-9, 9)))
    assert [kept for kept in after.hooks if kept != hook] == [kept for kept in workspace.hooks if kept != hook]
    assert hook in after.hooks


@given(some.workspaces, st.booleans())
def test_no_edit_of_all_hooks_switches_unreviewed_code_on(workspace, enabled):
    everyone = [hook.id for hook in workspace.hooks]
    before = {hook.id for hook in workspace.hooks if hook.enabled and not hook.trusted}
    after = edits.set_enabled(workspace, everyone, enabled)
    assert {hook.id for hook in after.hooks if hook.enabled and not hook.trusted} <= before
