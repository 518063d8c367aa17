"""A session on disk: one versioned JSON file, no tensors, only references.

Whoever can change a session can change code that this program runs, so a session is signed with a key that never
leaves the machine. A file without that signature is foreign: its code opens switched off until it was reviewed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mi_crow_gui import __version__
from mi_crow_gui.document.atomic_file import write_atomically
from mi_crow_gui.document.formatting import byte_size, plural
from mi_crow_gui.document.hook_spec import CAPTURE
from mi_crow_gui.document.session_codec import SessionError, workspace_from_data, workspace_to_data
from mi_crow_gui.document.signing import is_signed, sign

if TYPE_CHECKING:
    from pathlib import Path

    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.document.workspace import Workspace

__all__ = ["SUFFIX", "LoadedSession", "SessionError", "dumps", "load", "loads", "save"]

SUFFIX = ".microw"
FORMAT = "mi-crow session"
VERSION = 1
LARGEST_FILE = 64 * 1024**2

# Everything that can make code run; an edited prompt or plot leaves a session one's own
_SIGNED = ("model", "hooks", "drafts")
_KNOWN = frozenset(("format", "version", "app", "workspace", "signature", "origin"))


@dataclass(frozen=True, slots=True)
class LoadedSession:
    """A session as it was read.

    Attributes
    ----------
    foreign
        This machine did not write it, or its code was changed since: code in it is switched off.
    notes
        Sentences about what is not as the file says.
    origin
        For recovered work: the session file that it was loaded from, if any.
    """

    workspace: Workspace
    foreign: bool = False
    notes: tuple[str, ...] = ()
    origin: str = ""

    @property
    def needs_review(self) -> bool:
        """True while there is code in it that nobody here has accepted."""
        return any(not hook.trusted for hook in self.workspace.hooks)


def dumps(workspace: Workspace, origin: str = "") -> str:
    """The text of a session file, signed by this machine."""
    data = workspace_to_data(workspace)
    envelope: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "app": __version__,
        "workspace": data,
        "signature": sign(_signed_content(data)),
    }
    if origin:
        envelope["origin"] = origin
    return json.dumps(envelope, indent=1) + "\n"


def loads(text: str) -> LoadedSession:
    """Read the text of a session file; `SessionError` says in one sentence why it can't be."""
    envelope = _parse(text)
    version = envelope.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SessionError("The file has no valid session format version.")
    if version > VERSION:
        raise SessionError(
            f"It was written by a newer version of this program (session format {version}; this one "
            f"reads up to {VERSION}): install the newer version to open it."
        )
    data = envelope.get("workspace")
    workspace, unknown = workspace_from_data(data)
    unknown = [*sorted({*envelope} - _KNOWN), *unknown]
    notes = []
    if unknown:
        notes.append(f"Left out what this version does not know: {', '.join(unknown[:8])}.")
    foreign = not is_signed(_signed_content(data), envelope.get("signature"))
    if foreign:
        workspace, reasons = _without_code(workspace)
        notes += reasons
    origin = envelope.get("origin")
    return LoadedSession(workspace, foreign, tuple(notes), origin if isinstance(origin, str) else "")


def save(path: Path, workspace: Workspace, origin: str = "", *, private: bool = False) -> None:
    """Write a session file whole or not at all; `SessionError` if the disk refuses."""
    try:
        write_atomically(path, dumps(workspace, origin).encode(), private=private)
    except OSError as error:
        raise SessionError(f"Can't write {path}: {error.strerror or error}.") from error


def load(path: Path) -> LoadedSession:
    """Read a session file; `SessionError` names the file and says in one sentence why it can't be read."""
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise SessionError(
                f"The file is {byte_size(size)} large, and a session is never above {byte_size(LARGEST_FILE)}."
            )
        return loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise SessionError(f"Can't read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise SessionError(f"Can't open {path}: The file is not a text in UTF-8.") from error
    except SessionError as error:
        raise SessionError(f"Can't open {path}: {error}") from error


def _parse(text: str) -> dict[str, Any]:
    try:
        envelope = json.loads(text)
    except RecursionError as error:
        raise SessionError("Its JSON is nested too deeply for a session.") from error
    except ValueError as error:
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise SessionError(f"The file is not valid JSON{place}.") from error
    if not isinstance(envelope, dict) or envelope.get("format") != FORMAT:
        raise SessionError("The file is not a session of this program.")
    return envelope


def _signed_content(data: object) -> bytes:
    parts = {name: data.get(name) for name in _SIGNED} if isinstance(data, dict) else {}
    return json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()


def _without_code(workspace: Workspace) -> tuple[Workspace, list[str]]:
    """The workspace with everything switched off that would run code, and what was switched off."""
    notes = []
    hooks = tuple(
        replace(hook, enabled=False, trusted=False) if _runs_code(hook) else replace(hook, trusted=True)
        for hook in workspace.hooks
    )
    amount = sum(not hook.trusted for hook in hooks)
    if amount:
        notes.append(
            f"This machine did not write this session: {plural(amount, 'hook')} with code "
            f"{'is' if amount == 1 else 'are'} switched off until reviewed."
        )
    model = workspace.model
    if model is not None and model.trust_code:
        model = replace(model, trust_code=False)
        notes.append(
            "The session asks to run Python code that comes with its model: opening it needs your own consent."
        )
    return replace(workspace, hooks=hooks, model=model), notes


def _runs_code(hook: HookSpec) -> bool:
    return hook.kind != CAPTURE or bool(hook.code)
