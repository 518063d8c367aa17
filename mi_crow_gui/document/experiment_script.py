"""Experiments as code on `core_hooks` alone: the same calls that the window makes, with the same choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.document.experiment_settings import (
    LOGIT_DIFFERENCE,
    RANDOM,
    REPEATED_LOSS,
    AblationSettings,
    DirectEffectSettings,
    PatchingSettings,
    SteeringSettings,
)
from mi_crow_gui.document.script_cells import ScriptCell

if TYPE_CHECKING:
    from mi_crow_gui.document.experiment_settings import ExperimentSettings

_ENCODE = ("core_hooks.model.prompt", "encode")
_BASE = ("core_hooks.analysis.base_run", "run_base")
_NUMPY = ("numpy", "")

ANATOMY = ScriptCell(
    "What the parts of the model are",
    frozenset({("core_hooks.model.anatomy", "discover"), ("core_hooks.model.readout", "verify")}),
    (
        "anatomy = verify(opened, discover(opened))",
        "",
        "",
        "def first_token(word):",
        '    """The vocabulary id of a word, of its first token when it has several."""',
        "    return int(word) if opened.tokenizer is None else opened.tokenizer(word, add_special_tokens=False)"
        '["input_ids"][0]',
    ),
)


def experiment_cell(settings: ExperimentSettings) -> ScriptCell | None:
    """The code of one experiment; None while something that it needs is not there, such as a second prompt."""
    if isinstance(settings, AblationSettings):
        return _ablation(settings)
    if isinstance(settings, PatchingSettings):
        return _patching(settings)
    if isinstance(settings, DirectEffectSettings):
        return _direct_effect(settings)
    return _steering(settings) if isinstance(settings, SteeringSettings) else None


def _ablation(settings: AblationSettings) -> ScriptCell | None:
    imports = {_NUMPY, ("core_hooks.analysis.ablation", "ablate")}
    if settings.source == RANDOM:
        imports.add(("core_hooks.analysis.head_map", "repeated_random_tokens"))
        lines = ["measured = repeated_random_tokens(opened)"]
    elif settings.text.strip():
        imports.add(_ENCODE)
        lines = [f"measured = encode(opened, {settings.text!r})"]
    else:
        return None
    if settings.metric == LOGIT_DIFFERENCE:
        imports |= {("core_hooks.analysis.metrics", "LogitDifference")}
        lines += _words(settings.right, settings.wrong, "measured", imports)
        lines.append("metric = LogitDifference(right, wrong)")
    else:
        imports.add(("core_hooks.analysis.metrics", "Loss"))
        lines.append("metric = Loss()")
        if settings.metric == REPEATED_LOSS:
            lines[-1:] = [
                "# Tokens that occurred before.",
                "metric = Loss(tuple(at for at, token in enumerate(measured.ids) if token in measured.ids[:at]))",
            ]
    lines += [
        f"part, by, seed = {settings.part!r}, {settings.by!r}, {settings.seed}",
        "ablation = ablate(opened, anatomy, measured, part, by, metric, seed=seed)",
        'print("ablation:", ablation.metric, ablation.baseline, "with everything in; change without each:")',
        "print(ablation.change)",
        "for place, reason in ablation.failures.items():",
        '    print("failed:", place, reason)',
        'np.save("ablation.npy", ablation.change)',
    ]
    return ScriptCell("Take every part out in turn", frozenset(imports), tuple(lines))


def _patching(settings: PatchingSettings) -> ScriptCell | None:
    if not (settings.clean.strip() and settings.corrupted.strip()):
        return None
    named = [f"first_token({word!r})" if word else "-1" for word in (settings.right, settings.wrong)]
    lines = (
        f"clean = encode(opened, {settings.clean!r})",
        f"corrupted = encode(opened, {settings.corrupted!r})",
        "# -1: the likeliest word after the prompt.",
        f"words = ({', '.join(named)})",
        f"patching = patch(opened, anatomy, clean, corrupted, {settings.part!r}, {settings.metric!r}, words=words)",
        'print("patching:", patching.metric, "clean", patching.clean, "corrupted", patching.corrupted, "recovered:")',
        "print(patching.recovered)",
        "for place, reason in patching.failures.items():",
        '    print("failed:", place, reason)',
        'np.save("patching.npy", patching.recovered)',
    )
    imports = frozenset({_NUMPY, _ENCODE, ("core_hooks.analysis.patching", "patch")})
    return ScriptCell("Put what one prompt's run held into the run of another", imports, lines)


def _direct_effect(settings: DirectEffectSettings) -> ScriptCell | None:
    if not settings.text.strip():
        return None
    imports = {_NUMPY, _ENCODE, ("core_hooks.analysis.direct_effect", "direct_effect")}
    lines = [f"split = encode(opened, {settings.text!r})"]
    if settings.word:
        lines.append(f"word = first_token({settings.word!r})")
    else:
        imports.add(_BASE)
        lines.append(f"word = int(run_base(opened, split).logits[0, {settings.position}].argmax())  # the likeliest")
    against = f", against=first_token({settings.against!r})" if settings.against else ""
    lines += [
        f"effect = direct_effect(opened, anatomy, split, word{against}, position={settings.position})",
        'print("direct effect: heads of each block, then MLPs, in logits:")',
        "print(effect.heads)",
        "print(effect.mlp)",
        'print("sum of all terms", effect.total, "logit", effect.logit)',
        'np.save("direct_effect_heads.npy", effect.heads)',
        'np.save("direct_effect_mlp.npy", effect.mlp)',
    ]
    return ScriptCell("What each head and MLP writes toward a word", frozenset(imports), tuple(lines))


def _steering(settings: SteeringSettings) -> ScriptCell | None:
    if not settings.text.strip() or not (settings.pairs or settings.path):
        return None
    imports = {_NUMPY, _ENCODE, ("core_hooks.analysis.metrics", "LogitDifference")}
    imports |= {("core_hooks.analysis.steering", name) for name in ("SteeringVector", "strength_curves")}
    if settings.path:
        imports |= {("safetensors", "safe_open")}
        lines = [
            f'with safe_open({settings.path!r}, "pt") as file:',
            "    tensors = {name: file.get_tensor(name) for name in file.keys()}",
            "    vectors = (SteeringVector.from_tensors(tensors, file.metadata()),)",
        ]
        pair = "vectors[0].prompts[0] if vectors[0].prompts else ()"
    else:
        imports |= {("core_hooks.analysis.steering", "steering_vectors"), ("safetensors.torch", "save_file")}
        imports -= {("core_hooks.analysis.steering", "SteeringVector")}
        position = "None" if settings.everywhere else "-1"
        lines = [
            "pairs = [",
            *(f"    ({toward!r}, {away!r})," for toward, away in settings.pairs),
            "]",
            "encoded = [(encode(opened, toward), encode(opened, away)) for toward, away in pairs]",
            f"vectors = steering_vectors(opened, anatomy, encoded, position={position})",
        ]
        pair = "pairs[0]"
    lines.append(f"steered = encode(opened, {settings.text!r})")
    if settings.right and settings.wrong:
        lines += _words(settings.right, settings.wrong, "steered", imports)
    else:
        imports.add(_BASE)
        named = [f"first_token({word!r})" if word else "" for word in (settings.right, settings.wrong)]
        lines += [
            f"first = {pair}",
            "likely = [int(run_base(opened, encode(opened, text)).logits[0, -1].argmax()) for text in first]",
            "if len(set(likely)) < 2:",
            "    likely = run_base(opened, steered).logits[0, -1].topk(2).indices.tolist()",
            f"right, wrong = {named[0] or 'likely[0]'}, {named[1] or 'likely[1]'}",
        ]
    lines += [
        f"strengths = np.linspace(-{settings.most!r}, {settings.most!r}, 9)",
        "metric = LogitDifference(right, wrong)",
        "curves = strength_curves(opened, anatomy, steered, vectors, strengths, metric)",
        'print("steering: logit difference by block and strength:")',
        "for vector, curve in zip(vectors, curves, strict=True):",
        '    print("block", vector.block, curve.values, "monotonicity", curve.monotonicity)',
        'np.save("steering.npy", np.stack([curve.values for curve in curves]))',
    ]
    if not settings.path:
        chosen = settings.block if settings.block >= 0 else "len(vectors) // 2"
        lines += [
            f"vector = vectors[{chosen}]",
            'save_file(*vector.as_tensors()[:1], "steering.safetensors", metadata=vector.as_tensors()[1])',
        ]
    return ScriptCell("A steering vector, and what adding it does", frozenset(imports), tuple(lines))


def _words(right: str, wrong: str, tokens: str, imports: set[tuple[str, str]]) -> list[str]:
    """Lines that set `right` and `wrong`; a word that is not named is the likeliest of the others."""
    if right and wrong:
        return [f"right, wrong = first_token({right!r}), first_token({wrong!r})"]
    imports.add(_BASE)
    lines = [f"likely = run_base(opened, {tokens}, last_only=True).logits[0, -1].topk(3).indices.tolist()"]
    if right:
        return [*lines, f"right = first_token({right!r})", "wrong = next(token for token in likely if token != right)"]
    if wrong:
        return [*lines, f"wrong = first_token({wrong!r})", "right = next(token for token in likely if token != wrong)"]
    return [*lines, "right, wrong = likely[:2]"]
