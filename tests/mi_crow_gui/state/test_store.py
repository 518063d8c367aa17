from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.hook_spec import CONTROLLER, HookSpec
from mi_crow_gui.document.workspace import PlotSpec, Workspace
from mi_crow_gui.state.store import UNDO_LIMIT, DocumentStore
from tests.mi_crow_gui.document import strategies as some


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(qapp, clock):
    return DocumentStore(clock=clock)


@pytest.fixture
def topics(store):
    heard: list[str] = []
    store.changed.connect(heard.append)
    return heard


def sites(store) -> list[str]:
    return [hook.site for hook in store.workspace.hooks]


def step_texts(store) -> list[str]:
    return [store.undo_stack.text(at) for at in range(store.undo_stack.count())]


def test_attaching_is_one_step_that_names_what_it_did(store, topics):
    ids = store.attach(["h.0", "h.1", "h.2", "h.3"])
    assert sites(store) == ["h.0", "h.1", "h.2", "h.3"]
    assert ids == tuple(hook.id for hook in store.workspace.hooks)
    assert step_texts(store) == ["Attach 4 detectors"]
    store.undo()
    assert sites(store) == []
    store.redo()
    assert tuple(hook.id for hook in store.workspace.hooks) == ids
    assert topics == ["hooks", "hooks", "hooks"]


def test_an_intent_that_changes_nothing_adds_no_step_and_says_nothing(store, topics):
    store.attach(["h.0"])
    topics.clear()
    assert store.attach(["h.0"]) == ()
    store.detach(["nobody"])
    store.set_enabled(["nobody"], False)
    store.set_prompt("")
    store.select_site(None)
    store.mark_saved()
    assert topics == []
    assert store.undo_stack.count() == 1


def test_every_intent_has_a_readable_text(store, clock):
    (detector,) = store.attach(["transformer.h.0"])
    store.attach(["h.0", "h.1"], CONTROLLER, code="lambda x: x")
    store.attach([""], "plugin")
    store.set_enabled([detector], False)
    store.set_enabled([detector], True)
    store.set_stage([detector], "after")
    store.set_hook_options(detector, (("k", "1"),))
    store.move(detector, 2)
    store.move(detector, -1)
    store.apply_controller("h.1", "lambda x: 2 * x")
    store.set_model(ModelReference("resources/demo_model"))
    store.set_model(None)
    plot = PlotSpec("heatmap", "h.0")
    store.add_plot(plot)
    store.set_plot(replace(plot, site="h.1"))
    store.remove_plot(plot.id)
    store.set_generation(GenerationSettings(seed=4))
    store.set_prompt("hello")
    store.detach([detector])
    store.detach_all()
    assert step_texts(store) == [
        "Attach detector of transformer.h.0",
        "Attach 2 controllers",
        "Attach hook of the model",
        "Switch off detector of transformer.h.0",
        "Switch on detector of transformer.h.0",
        "Capture after controllers",
        "Change hook settings",
        "Move hook down",
        "Move hook up",
        "Apply controller to h.1",
        "Choose model resources/demo_model",
        "Close model",
        "Add heatmap of h.0",
        "Change heatmap plot",
        "Remove 1 plot",
        "Change generation settings",
        "Type prompt",
        "Detach detector of transformer.h.0",
        "Detach 3 hooks",
    ]


def test_unticking_a_site_takes_off_its_detectors_and_leaves_its_controllers(store):
    store.attach(["h.0", "h.1"])
    store.apply_controller("h.0", "lambda x: x")
    store.detach_sites(["h.0"])
    assert [(hook.site, hook.kind) for hook in store.workspace.hooks] == [("h.1", "capture"), ("h.0", CONTROLLER)]
    store.detach_sites(["h.0"], kind=None)
    assert sites(store) == ["h.1"]


def test_applying_a_controller_adds_it_then_changes_it_and_gives_the_same_id(store):
    first = store.apply_controller("h.0", "lambda x: x")
    assert store.apply_controller("h.0", "lambda x: -x") == first
    assert store.apply_controller("h.0", "lambda x: -x") == first
    assert store.workspace.controller_at("h.0").code == "lambda x: -x"
    assert store.undo_stack.count() == 2


def test_undoing_an_apply_gives_the_draft_back_and_redo_uses_it_again(store, topics):
    store.set_draft("h.0", "lambda x: 0 * x")
    store.apply_controller("h.0", "lambda x: 0 * x")
    assert topics == ["drafts", "hooks", "drafts"]
    assert store.workspace.draft("h.0") is None
    store.undo()
    assert store.workspace.hooks == ()
    assert store.workspace.draft("h.0") == "lambda x: 0 * x"
    store.redo()
    assert store.workspace.draft("h.0") is None


def test_neither_undo_nor_redo_loses_text_typed_since(store):
    store.set_draft("h.0", "first")
    store.apply_controller("h.0", "first")
    store.set_draft("h.0", "second")
    store.undo()
    assert store.workspace.draft("h.0") == "second"
    store.redo()
    assert store.workspace.draft("h.0") == "second"


def test_drafts_and_the_selection_are_no_steps(store, topics):
    store.set_draft("h.0", "lambda")
    store.select_site("h.0")
    assert topics == ["drafts", "selection"]
    assert store.undo_stack.count() == 0


def test_typing_without_a_pause_is_one_step(store, clock):
    for text in ("t", "th", "the"):
        store.set_prompt(text)
        clock.now += 1.9
    assert store.undo_stack.count() == 1
    store.undo()
    assert store.workspace.prompt == ""
    store.redo()
    assert store.workspace.prompt == "the"


def test_a_pause_another_edit_or_a_save_begins_a_new_step_of_typing(store, clock):
    store.set_prompt("a")
    clock.now += 2.1
    store.set_prompt("ab")
    clock.now += 2.1
    store.set_prompt("abc")
    store.attach(["h.0"])
    store.set_prompt("abcd")
    store.mark_saved()
    store.set_prompt("abcde")
    assert store.undo_stack.count() == 6
    prompts = []
    while store.undo_stack.canUndo():
        store.undo()
        prompts.append(store.workspace.prompt)
    assert prompts == ["abcd", "abc", "abc", "ab", "a", ""]


def test_typing_that_ends_where_it_began_is_no_step(store):
    store.set_prompt("a")
    store.set_prompt("")
    assert store.undo_stack.count() == 0
    assert not store.undo_stack.canUndo()


def test_prompt_and_generation_settings_are_separate_steps(store):
    store.set_prompt("a")
    store.set_generation(GenerationSettings(seed=1))
    store.set_generation(GenerationSettings(seed=2))
    assert store.undo_stack.count() == 2
    store.undo()
    assert store.workspace == Workspace(prompt="a")


def test_steps_are_bounded_and_the_oldest_are_forgotten(store):
    for number in range(UNDO_LIMIT + 50):
        store.attach([f"h.{number}"])
    assert store.undo_stack.count() == UNDO_LIMIT
    while store.undo_stack.canUndo():
        store.undo()
    assert len(store.workspace.hooks) == 50


def test_a_listener_sees_the_whole_new_workspace_and_may_edit_it_in_turn(store):
    seen = []

    def follow(topic: str) -> None:
        seen.append((topic, len(store.workspace.hooks), len(store.workspace.plots)))
        if topic == "hooks" and store.workspace.hooks and not store.workspace.plots:
            store.add_plot(PlotSpec("trace", store.workspace.hooks[0].site))

    store.changed.connect(follow)
    store.attach(["h.0"])
    assert seen == [("hooks", 1, 0), ("plots", 1, 1)]
    assert store.undo_stack.count() == 2
    store.undo()
    assert (len(store.workspace.hooks), len(store.workspace.plots)) == (1, 0)


def test_several_intents_can_be_one_step(store, topics):
    with store.one_step("Attach and plot"):
        store.attach(["h.0"])
        store.add_plot(PlotSpec("trace", "h.0"))
        store.set_draft("h.0", "typed")
        assert topics == []
    assert topics == ["hooks", "plots", "drafts"]
    assert step_texts(store) == ["Attach and plot"]
    store.undo()
    assert store.workspace == Workspace(drafts=(("h.0", "typed"),))


def test_a_step_of_several_intents_that_fails_changes_nothing(store, topics):
    def fail_halfway() -> None:
        with store.one_step("Attach"):
            store.attach(["h.0"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert store.workspace == Workspace()
    assert topics == []
    store.attach(["h.1"])
    assert store.undo_stack.count() == 1


def test_loading_forgets_the_steps_and_tells_every_part_that_differs(store, topics):
    store.attach(["h.0"])
    topics.clear()
    store.load(Workspace(prompt="hello", selected_site="h.0"))
    assert topics == ["prompt", "hooks", "selection"]
    assert store.undo_stack.count() == 0
    assert not store.dirty


def test_the_store_is_dirty_exactly_while_it_differs_from_what_was_saved(store):
    said = []
    store.dirtyChanged.connect(said.append)
    store.attach(["h.0"])
    assert store.dirty
    store.undo()
    assert not store.dirty
    store.redo()
    store.mark_saved()
    assert not store.dirty
    store.undo()
    assert store.dirty
    store.redo()
    store.select_site("h.0")
    assert not store.dirty
    store.set_draft("h.0", "typed")
    assert store.dirty
    assert said == [True, False, True, False, True, False, True]


def test_what_was_edited_while_it_was_being_saved_is_still_dirty(store):
    store.set_prompt("a")
    being_saved = store.workspace
    store.set_prompt("ab")
    store.mark_saved(being_saved)
    assert store.dirty


def test_a_recovered_workspace_is_dirty_until_saved(store):
    store.load(Workspace(prompt="typed before the crash"), saved=False)
    assert store.dirty


def test_unreviewed_code_stays_off_until_trusted(store):
    foreign = HookSpec("h.0", CONTROLLER, enabled=False, code="lambda x: x", trusted=False)
    store.load(Workspace(hooks=(foreign,)))
    store.set_enabled([foreign.id], True)
    assert not store.workspace.hooks[0].enabled
    store.trust([foreign.id])
    assert store.workspace.hooks[0].enabled
    assert step_texts(store) == ["Accept controller of h.0"]
    store.undo()
    assert store.workspace.hooks == (foreign,)


intents = st.lists(
    st.one_of(
        st.tuples(st.just("set_model"), some.models),
        st.tuples(st.just("set_prompt"), some.texts),
        st.tuples(st.just("set_generation"), some.settings),
        st.tuples(st.just("attach"), st.lists(some.sites, max_size=3), some.kinds),
        st.tuples(st.just("detach_sites"), st.lists(some.sites, max_size=2), st.none() | some.kinds),
        st.tuples(st.just("apply_controller"), some.sites, some.texts),
        st.tuples(st.just("add_plot"), some.plots),
        st.tuples(st.just("set_draft"), some.sites, st.none() | some.texts),
        st.tuples(st.just("select_site"), st.none() | some.sites),
        st.tuples(st.just("set_enabled"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("move"), st.integers(0, 5), st.integers(-3, 3)),
        st.tuples(st.just("trust"), st.integers(0, 5)),
    ),
    max_size=20,
)


def carry_out(store: DocumentStore, intent: tuple) -> None:
    name, *arguments = intent
    if name in ("set_enabled", "move", "trust"):
        hooks = store.workspace.hooks
        if not hooks:
            return
        hook_id = hooks[arguments[0] % len(hooks)].id
        arguments[0] = hook_id if name == "move" else [hook_id]
    getattr(store, name)(*arguments)


def undoable(workspace: Workspace) -> Workspace:
    return replace(workspace, drafts=(), selected_site=None)


@given(some.workspaces, intents)
def test_undoing_everything_gives_the_start_and_redoing_everything_the_end(qapp, start, steps):
    store = DocumentStore()
    store.load(start)
    passed = [undoable(start)]
    for step in steps:
        carry_out(store, step)
        if undoable(store.workspace) != passed[-1]:
            passed.append(undoable(store.workspace))
    end = undoable(store.workspace)
    while store.undo_stack.canUndo():
        store.undo()
        assert undoable(store.workspace) in passed
    assert undoable(store.workspace) == undoable(start)
    while store.undo_stack.canRedo():
        store.redo()
    assert undoable(store.workspace) == end


@given(some.workspaces, intents)
def test_the_topics_name_exactly_what_changed(qapp, start, steps):
    store = DocumentStore()
    store.load(start)
    heard: list[str] = []
    store.changed.connect(heard.append)
    for step in [*steps, ("undo",), ("undo",), ("redo",)]:
        before = store.workspace
        heard.clear()
        carry_out(store, step)
        after = store.workspace
        parts = ["model", "prompt", "generation", "hooks", "plots", "drafts"]
        expected = [part for part in parts if getattr(before, part) != getattr(after, part)]
        if before.selected_site != after.selected_site:
            expected.append("selection")
        assert heard == expected


@given(intents, st.randoms(use_true_random=False))
def test_a_draft_leaves_the_drafts_only_by_being_applied_or_dropped(qapp, steps, random):
    store = DocumentStore()
    for step in steps:
        before = dict(store.workspace.drafts)
        carry_out(store, step)
        if step[0] not in ("apply_controller", "set_draft"):
            assert dict(store.workspace.drafts) == before
        store_drafts = dict(store.workspace.drafts)
        turn = random.choice([store.undo, store.redo])
        turn()
        applied = {hook.code for hook in store.workspace.hooks}
        for site, text in store_drafts.items():
            assert store.workspace.draft(site) == text or text in applied
