"""Hypothesis strategies for workspaces and their edits, shared by the tests of document and state."""

from __future__ import annotations

from hypothesis import strategies as st

from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.hook_spec import HookSpec
from mi_crow_gui.document.workspace import MAP_MEASURES, TOKEN_MEASURES, PlotSpec, Workspace

SITES = ("", "transformer.h.0", "transformer.h.0.attn", "transformer.h.1.mlp", "lm_head")

sites = st.sampled_from(SITES)
texts = st.text(max_size=12)
ids = st.text("0123456789abcdef", min_size=4, max_size=4)
kinds = st.sampled_from(["capture", "controller", "plugin_kind"])
stages = st.sampled_from(["before", "after"])
options = st.dictionaries(texts, texts, max_size=2).map(lambda pairs: tuple(sorted(pairs.items())))
models = st.none() | st.builds(
    ModelReference,
    source=st.text(min_size=1, max_size=12),
    device=st.sampled_from(["cpu", "cuda:0"]),
    trust_code=st.booleans(),
    quantisation=st.sampled_from(["none", "bitsandbytes-4bit"]),
    parts=st.sampled_from([(), (("blocks", "net.layers"), ("heads", "8"), ("mlp", ""))]),
)
settings = st.builds(
    GenerationSettings,
    max_new_tokens=st.integers(1, 500),
    temperature=st.floats(0, 2),
    top_k=st.integers(0, 50),
    seed=st.integers(0, 2**31),
)
hooks = st.builds(
    HookSpec,
    site=sites,
    kind=kinds,
    enabled=st.booleans(),
    stage=stages,
    code=texts,
    trusted=st.booleans(),
    options=options,
    id=ids,
)
plots = st.builds(
    PlotSpec, kind=st.sampled_from(["heatmap", "trace"]), site=st.none() | sites, tab=texts, options=options, id=ids
)
workspaces = st.builds(
    Workspace,
    model=models,
    prompt=texts,
    generation=settings,
    hooks=st.lists(hooks, max_size=5, unique_by=lambda hook: hook.id).map(tuple),
    plots=st.lists(plots, max_size=3, unique_by=lambda plot: plot.id).map(tuple),
    drafts=st.dictionaries(sites, texts, max_size=3).map(lambda drafts: tuple(drafts.items())),
    selected_site=st.none() | sites,
    batch=st.booleans(),
    selected_prompt=st.integers(0, 99),
    token_measure=st.sampled_from(TOKEN_MEASURES),
    map_measure=st.sampled_from(MAP_MEASURES),
    capture=st.sampled_from(["", "/captures/a", "ä b"]),
)
