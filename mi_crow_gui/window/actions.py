"""The one table of actions: menus, tool bar, command palette and shortcuts are all built from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MENUS = ("&File", "&Edit", "&Model", "&View", "&Help")


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action.

    Attributes
    ----------
    name
        The QAction's objectName.
    text
        Words of the menu entry, with its mnemonic; three dots at the end when it asks something first.
    icon
        Name of a file in ``resources/icons``.
    menu
        Title of the menu, or of a submenu as ``"&View/&Theme"``.
    section
        Entries of a menu with the same number stand together, between separators.
    tip
        What it does, one sentence without a full stop; the shortcut is added when it is shown.
    shortcuts
        Portable key sequences; menus show the first.
    group
        Name of the group of which only one is checked at a time.
    needs
        What must be there before it can be used, as "needs ..." goes on; the wiring switches it on when it is. "" for
        what can be used at once.
    words
        Further words under which the command palette finds it.
    """

    name: str
    text: str
    icon: str
    menu: str
    section: int
    tip: str
    shortcuts: tuple[str, ...] = ()
    checkable: bool = False
    group: str = ""
    needs: str = ""
    words: str = ""


_IDLE = "an open, idle model"

ACTIONS: tuple[ActionSpec, ...] = (
    # name, text, icon, menu, section, tip
    ActionSpec(
        "openModel", "&Open model…", "open-model", "&File", 0, "Open a model from a folder, a file or a hub id",
        ("Ctrl+O",), words="load weights checkpoint hugging face gguf safetensors",
    ),
    ActionSpec(
        "openDemo", "Open the &demo model", "open-demo", "&File", 0,
        "Open the small model that comes with the program", ("Ctrl+Shift+M",), words="example induction newcomer",
    ),
    ActionSpec(
        "openCapture", "Open &capture…", "open-capture", "&File", 0, "Open a folder of saved activations",
        ("Ctrl+Alt+O",), words="load activations tensors",
    ),
    ActionSpec(
        "openSession", "Open s&ession…", "open-session", "&File", 0, "Open a session file: model, hooks, prompt, plots",
        ("Ctrl+Shift+O",), words="workspace microw load",
    ),
    ActionSpec(
        "loadPrompts", "&Load prompts…", "load-prompts", "&File", 0,
        "Read a batch of prompts from a text file, one a line", ("Ctrl+Alt+P",), words="batch file lines text txt many",
    ),
    ActionSpec(
        "saveSession", "&Save session…", "save-session", "&File", 1, "Save model, hooks, prompt and plots to a file",
        ("Ctrl+S",), words="workspace microw write",
    ),
    ActionSpec(
        "saveCapture", "Save c&apture…", "save-capture", "&File", 1, "Save the captured activations of the last run",
        ("Ctrl+Shift+S",), needs="activations that a run captured", words="activations tensors write safetensors",
    ),
    ActionSpec(
        "captureCorpus", "Capture a corp&us…", "capture-corpus", "&File", 1,
        "Run a file of texts through the model and keep what layers give on disk", ("Ctrl+Shift+K",),
        needs="an open model", words="dataset texts activations job batch jsonl csv parquet store save estimate resume",
    ),
    ActionSpec(
        "captureFromStore", "Capture from a s&tore…", "captures", "&File", 1,
        "Make a capture of the activations that a program saved with LocalStore", words="convert mi_crow import runs",
    ),
    ActionSpec(
        "exportPlot", "E&xport plot…", "export-plot", "&File", 1, "Save the current plot as a picture or its numbers",
        ("Ctrl+Shift+E",), needs="a plot that shows something", words="image png svg csv save",
    ),
    ActionSpec(
        "exportCapture", "Ex&port the open capture…", "save-capture", "&File", 1,
        "Write the open capture, or a part of it, to one file for other programs", needs="an open capture",
        words="safetensors npz csv parquet numpy pandas activations",
    ),
    ActionSpec(
        "compareCaptures", "Co&mpare captures…", "compare-captures", "&File", 1,
        "Compare the open capture, or two of the list, layer by layer with one of the same texts", ("Ctrl+Alt+C",),
        words="cka cosine difference fine-tuned base controllers activations models",
    ),
    ActionSpec("quit", "&Quit", "quit", "&File", 2, "Close the window", ("Ctrl+Q",), words="exit leave"),
    ActionSpec(
        "undo", "&Undo", "undo", "&Edit", 0, "Take the last change back", ("Ctrl+Z",), needs="a change to take back",
    ),
    ActionSpec(
        "redo", "&Redo", "redo", "&Edit", 0, "Make the last undone change again", ("Ctrl+Shift+Z", "Ctrl+Y"),
        needs="a change that was undone",
    ),
    ActionSpec(
        "copyAsPython", "Copy as &Python", "copy-as-python", "&Edit", 1,
        "Copy a script that does the same with the library", ("Ctrl+Shift+C",), words="code script export replay",
    ),
    ActionSpec(
        "exportNotebook", "Export as &notebook…", "notebook", "&Edit", 1,
        "Save a Jupyter notebook that does the same with the library", words="code script ipynb jupyter replay",
    ),
    ActionSpec(
        "filter", "&Find a module", "filter", "&Edit", 2, "Go to the filter of the module tree", ("Ctrl+F",),
        words="search layer glob",
    ),
    ActionSpec(
        "commandPalette", "&Command palette…", "command-palette", "&Edit", 2, "Find any action by its words",
        ("Ctrl+Shift+P",), words="search actions",
    ),
    ActionSpec(
        "run", "&Run", "run", "&Model", 0, "Run the prompt through the model once", ("Ctrl+R",), needs=_IDLE,
        words="forward start",
    ),
    ActionSpec(
        "generate", "&Generate", "generate", "&Model", 0, "Let the model continue the prompt", ("Ctrl+G",),
        needs=_IDLE, words="sample tokens write",
    ),
    ActionSpec(
        "step", "Ste&p", "step", "&Model", 0, "Generate one more token", ("F10",), needs=_IDLE, words="next token",
    ),
    ActionSpec(
        "nextPrompt", "Next prompt of the &batch", "next-prompt", "&Model", 0,
        "Let every plot be about the next prompt", ("Ctrl+Alt+Down",), needs="a batch of prompts",
        words="batch row select",
    ),
    ActionSpec(
        "previousPrompt", "Previous pr&ompt of the batch", "previous-prompt", "&Model", 0,
        "Let every plot be about the prompt before", ("Ctrl+Alt+Up",), needs="a batch of prompts",
        words="batch row select",
    ),
    ActionSpec(
        "stop", "&Stop", "stop", "&Model", 0, "Stop what is running or loading", ("Esc",),
        needs="something that goes on", words="cancel interrupt abort",
    ),
    ActionSpec(
        "attachDetector", "Attach &detector", "attach-detector", "&Model", 1, "Capture the selected modules",
        ("Ctrl+D",), words="hook capture layer record",
    ),
    ActionSpec(
        "attachController", "Attach &controller", "attach-controller", "&Model", 1,
        "Write code that changes what the selected module gives", ("Ctrl+E",),
        words="hook lambda edit intervene ablate steer",
    ),
    ActionSpec(
        "applyController", "&Apply controller", "apply", "&Model", 1, "Put the editor's text on the selected module",
        ("Ctrl+Return",), words="lambda code",
    ),
    ActionSpec(
        "detachAll", "Detach a&ll", "detach-all", "&Model", 1, "Take every hook off the model", ("Ctrl+Shift+D",),
        words="remove hooks clear",
    ),
    ActionSpec(
        "mapHeads", "&Map the heads", "map-heads", "&Model", 2,
        "Score every attention head: induction, previous, duplicate and first token", needs=_IDLE,
        words="attention induction circuit analyse",
    ),
    ActionSpec(
        "ablate", "&Ablation: take parts out", "ablate", "&Model/&Experiments", 2,
        "Take every head, MLP or block out in turn and see what the model loses", ("Ctrl+Alt+1",), needs=_IDLE,
        words="experiment zero mean resample knock out heads mlp block loss importance sweep",
    ),
    ActionSpec(
        "zeroHeads", "&Zero the heads of the map…", "zero-heads", "&Model/&Experiments", 2,
        "Replace the strongest heads of the head map by zeros, and see the loss", ("Ctrl+Alt+0",), needs=_IDLE,
        words="ablate knock out induction attention circuit",
    ),
    ActionSpec(
        "patchPrompts", "&Patching: one prompt into another", "patch", "&Model/&Experiments", 2,
        "Put what the model held while reading one prompt into its run of another, place by place", ("Ctrl+Alt+2",),
        needs=_IDLE, words="experiment activation causal tracing clean corrupted residual heads attention mlp",
    ),
    ActionSpec(
        "directEffect", "&Direct effect on a word", "direct-effect", "&Model/&Experiments", 2,
        "Split the logit of the next word into what each head and MLP writes toward it", ("Ctrl+Alt+3",),
        needs=_IDLE, words="experiment logit attribution decompose contribution heads mlp",
    ),
    ActionSpec(
        "steer", "&Steering vector from prompts", "steer", "&Model/&Experiments", 2,
        "Make a vector from pairs of prompts, see what adding it does, and steer with it", ("Ctrl+Alt+4",),
        needs=_IDLE, words="experiment activation addition contrast direction concept control",
    ),
    ActionSpec(
        "checkClean", "C&heck that the model is clean", "check-clean", "&Model", 2,
        "Look for hooks left on the model", words="hooks leak verify",
    ),
    ActionSpec(
        "nameParts", "&Name the parts…", "name-parts", "&Model", 2,
        "Say which modules are blocks, attention, MLP, final norm and unembedding", needs=_IDLE,
        words="anatomy heads lens correct architecture",
    ),
    ActionSpec(
        "verifyWeights", "&Verify the weights", "verify-weights", "&Model", 2,
        "Read the files of the open model and look for damage", needs=_IDLE, words="checksum sha256 nan damaged file",
    ),
    ActionSpec(
        "compareWeights", "Compare &weights of two models…", "compare-weights", "&Model", 2,
        "Compare the files of two models, such as a base and a fine-tuned one, layer by layer", ("Ctrl+Alt+W",),
        words="difference checkpoint fine-tuned base parameters tensors norm cosine safetensors",
    ),
    ActionSpec(
        "clearWeightCache", "Remove unpac&ked GGUF weights", "clear-cache", "&Model", 2,
        "Give back the room that unpacked GGUF files take on the disk", words="cache clear disk space free",
    ),
    ActionSpec(
        "pinA", "Pin as &A", "pin-a", "&Model/R&uns", 3, "Keep the run selected in the history as A",
        ("Ctrl+Alt+A",), needs="a run in the history", words="keep history compare",
    ),
    ActionSpec(
        "pinB", "Pin as &B", "pin-b", "&Model/R&uns", 3, "Keep the run selected in the history as B",
        ("Ctrl+Alt+B",), needs="a run in the history", words="keep history compare",
    ),
    ActionSpec(
        "unpinRuns", "&Unpin A and B", "unpin", "&Model/R&uns", 3, "Let go of both pinned runs; the history keeps them",
        needs="a pinned run", words="release history",
    ),
    ActionSpec(
        "comparePrompts", "Compare two &prompts…", "compare-prompts", "&Model/R&uns", 3,
        "Run two prompts and compare them token by token", ("Ctrl+Alt+R",), needs=_IDLE,
        words="difference runs a b kl divergence contrast",
    ),
    ActionSpec(
        "compareRuns", "&Compare runs A and B", "compare-runs", "&Model/R&uns", 3,
        "Compare the pinned runs, or the two newest, token by token", ("Ctrl+Shift+R",),
        needs="two runs in the history", words="difference prompts kl divergence history",
    ),
    ActionSpec(
        "layoutInspect", "&Inspect", "layout-inspect", "&View/&Layout", 0, "Tree and hooks left, inspector right",
        ("Ctrl+1",), checkable=True, group="layout", words="preset default",
    ),
    ActionSpec(
        "layoutWrite", "&Write", "layout-write", "&View/&Layout", 0, "The editor large, beside the plots", ("Ctrl+2",),
        checkable=True, group="layout", words="preset controller code",
    ),
    ActionSpec(
        "layoutAnalyse", "&Analyse", "layout-analyse", "&View/&Layout", 0, "Captures left, plots, no prompt",
        ("Ctrl+3",), checkable=True, group="layout", words="preset captures",
    ),
    ActionSpec(
        "focus", "&Focus on the plots", "focus", "&View", 0, "Show the plots only, or everything again", ("F11",),
        checkable=True, words="layout preset full",
    ),
    ActionSpec(
        "renameTab", "Re&name the tab…", "rename-tab", "&View", 0, "Give the tab of plots that is shown another name",
        ("Shift+F2",), words="plots board title",
    ),
    ActionSpec(
        "resetLayout", "&Reset layout", "reset-layout", "&View", 0, "Put every panel back where it was at first",
        words="restore default windows docks",
    ),
    ActionSpec(
        "lockDocks", "Loc&k panels", "lock", "&View", 0, "Keep panels from being moved, floated or closed",
        checkable=True, words="docks unlock move",
    ),
    ActionSpec(
        "showModel", "&Model", "panel-left", "&View/&Panels", 1, "Show or hide the module tree", checkable=True,
        words="dock tree",
    ),
    ActionSpec(
        "showHooks", "&Hooks", "panel-left-low", "&View/&Panels", 1, "Show or hide the hooks list", checkable=True,
        words="dock",
    ),
    ActionSpec(
        "showInspector", "&Inspector", "panel-right", "&View/&Panels", 1, "Show or hide the inspector",
        checkable=True, words="dock statistics",
    ),
    ActionSpec(
        "showBottom", "&Editor, captures, history, log", "panel-bottom", "&View/&Panels", 1,
        "Show or hide the panel below the plots", checkable=True, words="dock",
    ),
    ActionSpec(
        "showEditor", "&Editor", "editor", "&View/&Go to", 1, "Go to the controller editor", ("Alt+1",),
        words="controller code",
    ),
    ActionSpec(
        "showCaptures", "&Captures", "captures", "&View/&Go to", 1, "Go to the saved captures", ("Alt+2",),
    ),
    ActionSpec("showHistory", "&History", "history", "&View/&Go to", 1, "Go to the past runs", ("Alt+3",)),
    ActionSpec("showLog", "&Log", "log", "&View/&Go to", 1, "Go to the messages", ("Alt+4",), words="errors traceback"),
    ActionSpec(
        "themeSystem", "Follow the &system", "theme-system", "&View/&Theme", 2, "Light or dark as the system is",
        checkable=True, group="theme", words="colours appearance",
    ),
    ActionSpec(
        "themeLight", "&Light", "theme-light", "&View/&Theme", 2, "Use the light look", checkable=True, group="theme",
        words="colours appearance white",
    ),
    ActionSpec(
        "themeDark", "&Dark", "theme-dark", "&View/&Theme", 2, "Use the dark look", checkable=True, group="theme",
        words="colours appearance black night",
    ),
    ActionSpec(
        "guide", "&Guide", "guide", "&Help", 0, "A tour of two minutes, and how each part works", ("F1",),
        words="help manual tutorial documentation",
    ),
    ActionSpec(
        "shortcuts", "&Keyboard shortcuts", "keyboard", "&Help", 0, "All shortcuts in one list", ("Ctrl+F1",),
        words="keys help",
    ),
    ActionSpec(
        "openLogFolder", "Open the &log folder", "log-folder", "&Help", 1, "Show the folder of the log files",
        words="messages errors traceback",
    ),
    ActionSpec("about", "&About", "information", "&Help", 1, "Version and licence", words="version information"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ToolButton:
    """One button of the tool bar: its action, those in its drop-down, and whether it has words beside the icon."""

    action: str
    more: tuple[str, ...] = ()
    words: bool = False


# Sections of the tool bar, a separator between them; None is the place of the device box.
TOOLBAR: tuple[tuple[ToolButton | None, ...], ...] = (
    (ToolButton("openModel", ("openModel", "openDemo", "openCapture", "openSession")), None),
    (
        ToolButton("run", words=True),
        ToolButton("generate", words=True),
        ToolButton("stop", words=True),
        ToolButton("step"),
    ),
    (ToolButton("attachDetector", ("attachDetector", "attachController", "detachAll")),),
    (ToolButton("mapHeads", ("mapHeads", "ablate", "patchPrompts", "directEffect", "steer", "compareRuns")),),
    (ToolButton("undo"), ToolButton("redo")),
    (
        ToolButton(
            "saveSession",
            ("saveSession", "saveCapture", "captureCorpus", "exportPlot", "copyAsPython", "exportNotebook"),
        ),
    ),
)


def plain_text(spec: ActionSpec) -> str:
    """The words of an action without mnemonic and dots."""
    return spec.text.replace("&", "").rstrip("…")


def specs() -> Mapping[str, ActionSpec]:
    """The table by name."""
    return {spec.name: spec for spec in ACTIONS}
