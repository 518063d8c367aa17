"""Whatever is done to the files of a capture, reading it is right or one sentence."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core_hooks.capture.folder import CaptureError, read_index, read_site
from core_hooks.capture.reader import open_capture
from core_hooks.capture.verify import FileCheck, verify_capture
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = number_texts(20)
_NUMBERS: list[Any] = [None, True, -1, 0, 2**31, 2**63, 2**200, 1.5, float("nan"), [-1], [2**62, 2**62]]
_NAMES: list[Any] = ["", "x", "../x", "/etc/passwd", "a\0b", "C:\\x", "..", ".hidden", "shard-00000.safetensors", "h.0"]
_BAD: list[Any] = [*_NUMBERS, *_NAMES, [], [[]], {}, {"a": 1}]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captures") / "whole"
    write_corpus_capture(folder, TEXTS, labels=True)
    return folder


def use_everything(folder: Path) -> None:
    """Read whatever a capture offers; only `CaptureError` may come out."""
    with open_capture(folder) as capture:
        for site in capture.sites:
            capture.read(site, site.first_row, site.first_row + site.rows)
            capture.column(site, 0) if site.channels else None
            capture.statistics(site)
        capture.token_texts(0, capture.rows)
        capture.positions(0, capture.rows)
        for number in range(min(capture.texts, 50)):
            capture.text(number), capture.label(number), capture.record(number), capture.rows_of(number)
    for row in read_index(folder).sites:
        read_site(folder, row)


def is_one_sentence(error: CaptureError) -> bool:
    text = str(error)
    return "\n" not in text and text.endswith(".") and 10 < len(text) < 700


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON document."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


def damage_index(folder: Path, rng: random.Random) -> None:
    path = folder / "capture.json"
    data = json.loads(path.read_text())
    *parents, last = rng.choice(places(data))
    holder = data
    for key in parents:
        holder = holder[key]
    if rng.random() < 0.3:
        del holder[last]
    else:
        holder[last] = rng.choice(_BAD)
    path.write_text(json.dumps(data))


def damage_header(folder: Path, rng: random.Random) -> None:
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    *parents, last = rng.choice(places(header))
    holder = header
    for key in parents:
        holder = holder[key]
    holder[last] = rng.choice(_BAD)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])


def damage_bytes(folder: Path, rng: random.Random) -> None:
    path = rng.choice(sorted(folder.iterdir()))
    raw = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 8])):
        raw[rng.randrange(min(len(raw), rng.choice([16, 2000, len(raw)])))] = rng.randrange(256)
    path.write_bytes(bytes(raw))


def cut_short(folder: Path, rng: random.Random) -> None:
    path = rng.choice(sorted(folder.iterdir()))
    raw = path.read_bytes()
    path.write_bytes(raw[: rng.choice([0, 1, 7, 8, 9, rng.randrange(len(raw)), len(raw) - 1])])


def remove_or_swap(folder: Path, rng: random.Random) -> None:
    one, other = rng.sample(sorted(folder.iterdir()), 2)
    if rng.random() < 0.5:
        one.unlink()
    else:
        shutil.copyfile(other, one)


DAMAGES: list[Callable[[Path, random.Random], None]] = [
    damage_index, damage_header, damage_bytes, cut_short, remove_or_swap,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_hundred_ways_each_are_survived_with_a_message_each(
    whole: Path, tmp_path: Path, damage: Callable[..., None]
) -> None:
    reading = 0
    for seed in range(100):
        folder, rng = tmp_path / str(seed), random.Random(seed)
        shutil.copytree(whole, folder)
        while unchanged(folder, whole):  # a byte may be replaced by the same one
            damage(folder, rng)
        refused = complaint(use_everything, folder)
        reading += bool(refused)
        found: list[FileCheck] = []
        refused = refused or complaint(lambda path, found=found: found.extend(verify_capture(path)), folder)
        # Whatever was changed is told, by verifying if reading does not come across it.
        told = refused or next((check.problem or check.note for check in found if check.problem or check.note), "")
        assert told, (damage.__name__, seed)
        if not same_index(folder, whole):
            assert refused or "has no checksum" in told
        shutil.rmtree(folder)
    assert reading > 20


def complaint(use: Callable[[Path], object], folder: Path) -> str:
    """The sentence with which a damaged capture was refused, if it was."""
    try:
        use(folder)
    except CaptureError as error:
        if not is_one_sentence(error):
            raise
        return str(error)
    return ""


def same_index(folder: Path, whole: Path) -> bool:
    found, index = folder / "capture.json", whole / "capture.json"
    return found.exists() and found.read_bytes() == index.read_bytes()


def unchanged(folder: Path, whole: Path) -> bool:
    names = sorted(path.name for path in whole.iterdir())
    return names == sorted(path.name for path in folder.iterdir()) and all(
        (whole / name).read_bytes() == (folder / name).read_bytes() for name in names
    )


def test_verify_finds_any_single_flipped_bit(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    shutil.copytree(whole, folder)
    rng = random.Random(3)
    for path in sorted(folder.glob("*.safetensors")):
        raw = path.read_bytes()
        for _ in range(6):
            flipped = bytearray(raw)
            flipped[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            path.write_bytes(bytes(flipped))
            assert [check.file for check in verify_capture(folder) if check.problem] == [path.name]
        path.write_bytes(raw)
    assert not any(check.problem for check in verify_capture(folder))


def test_any_single_flipped_bit_of_the_index_is_told(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    shutil.copytree(whole, folder)
    raw = (whole / "capture.json").read_bytes()
    last = raw.rindex(b'"crc32"')
    silent = []
    for at in range(len(raw)):
        flipped = bytearray(raw)
        flipped[at] ^= 1 << at % 8
        (folder / "capture.json").write_bytes(bytes(flipped))
        if not complaint(read_index, folder):
            silent.append(at)
    # Only where the name of the checksum itself was hit it goes for an index that has none, and verifying says that.
    assert all(last < at <= last + 6 for at in silent)
    for at in silent:
        flipped = bytearray(raw)
        flipped[at] ^= 1 << at % 8
        (folder / "capture.json").write_bytes(bytes(flipped))
        assert "has no checksum" in verify_capture(folder)[0].note


def test_an_index_changed_on_purpose_is_read_without_its_checksum(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    shutil.copytree(whole, folder)
    data = json.loads((folder / "capture.json").read_text())
    data["model"]["name"] = "renamed"
    (folder / "capture.json").write_text(json.dumps(data))
    with pytest.raises(CaptureError, match="was changed since it was written.*remove its line with crc32"):
        open_capture(folder)
    del data["crc32"]
    (folder / "capture.json").write_text(json.dumps(data))
    assert open_capture(folder).index.model["name"] == "renamed"
    assert not any(check.problem for check in verify_capture(folder))


def test_nothing_outside_the_folder_is_read(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    shutil.copytree(whole, folder)
    shutil.copy(next(whole.glob("shard-*")), tmp_path / "outside.safetensors")
    data = json.loads((folder / "capture.json").read_text())
    for name in ("../outside.safetensors", str(tmp_path / "outside.safetensors"), "sub/../../outside.safetensors"):
        data["shards"][0]["file"] = name
        (folder / "capture.json").write_text(json.dumps(data))
        with pytest.raises(CaptureError, match="outside the capture"):
            open_capture(folder)


def test_a_shard_of_other_values_than_the_index_says_is_refused(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    shutil.copytree(whole, folder)
    data = json.loads((folder / "capture.json").read_text())
    data["sites"][0]["shape"][1] = 7
    del data["crc32"]
    (folder / "capture.json").write_text(json.dumps(data))
    with pytest.raises(CaptureError, match="the index says float32"):
        open_capture(folder).read("h.0", 0, 3)
    assert np.isfinite(open_capture(whole).read("h.0", 0, 3)).all()
