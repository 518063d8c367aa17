"""A corpus read in another process is planned as it is here."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from core_hooks.capture import job as job_module
from core_hooks.capture.corpus import Corpus
from core_hooks.capture.fast_tokenizer import fast_tokenizer
from core_hooks.capture.index import CaptureError
from core_hooks.capture.job import CaptureJob
from core_hooks.capture.plan_process import PlanProcess
from core_hooks.capture.shard_plan import PackedTexts, Place, plan_shards
from core_hooks.capture.tokenizing import stock_backend
from tests.core_hooks.capture.corpora import sentences, write_lines
from tests.core_hooks.capture.test_job import same_files, settings

if TYPE_CHECKING:
    from pathlib import Path

    from core_hooks.capture.shard_plan import ShardPlan
    from core_hooks.model.opened import OpenedModel

CHOICES = {"shard_rows": 40, "context": 7}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    lines = sentences(60)
    lines[7] = ""
    return Corpus(write_lines(tmp_path / "corpus.txt", lines))


def as_lists(plan: ShardPlan) -> list[object]:
    arrays = [plan.ids, plan.starts, plan.numbers, plan.firsts]
    arrays += [getattr(plan.texts, field.name) for field in fields(PackedTexts)]
    rest = [plan.first_row, plan.first_text, plan.empty, plan.next]
    return [*((array.dtype, array.tolist()) for array in arrays), *rest]


def test_its_plans_are_those_made_here(corpus: Corpus, tiny: OpenedModel) -> None:
    backend = stock_backend(tiny)
    here = list(plan_shards(corpus.texts(), fast_tokenizer(backend, "tiny"), **CHOICES))
    assert len(here) > 4
    first = here[1]
    with PlanProcess(corpus, backend, "tiny", **CHOICES) as process:
        there = list(process.plans(first.first_row + first.rows, first.next, threading.Event()))
    assert [as_lists(plan) for plan in there] == [as_lists(plan) for plan in here[2:]]


def test_one_that_is_not_needed_after_all_is_gone(corpus: Corpus, tiny: OpenedModel) -> None:
    with PlanProcess(corpus, stock_backend(tiny), "tiny", **CHOICES) as process:
        pass
    assert process.number
    with pytest.raises(ProcessLookupError):
        os.kill(process.number, 0)


def test_a_record_it_cannot_read_is_one_sentence(corpus: Corpus, tiny: OpenedModel) -> None:
    with corpus.path.open("ab") as file:
        file.write(b"gr\xf6\xdfe\n")
    with PlanProcess(corpus, stock_backend(tiny), "tiny", **CHOICES) as process:
        with pytest.raises(CaptureError, match=r"Line 61 of '.*' is not utf-8 \(byte 0xf6\)"):
            list(process.plans(0, Place(), threading.Event()))


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is a matter of POSIX")
def test_that_it_was_killed_is_told(corpus: Corpus, tiny: OpenedModel) -> None:
    with PlanProcess(corpus, stock_backend(tiny), "tiny", **CHOICES) as process:
        os.kill(process.number, signal.SIGKILL)
        with pytest.raises(CaptureError, match=r"was ended \(code -9\).*; resume the job"):
            list(process.plans(0, Place(), threading.Event()))


def test_a_job_with_it_writes_the_bytes_of_one_without(
    tmp_path: Path, tiny: OpenedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "_SHARD_BYTES", 1)
    monkeypatch.setattr(job_module, "_SHARD_BATCHES", 2)
    CaptureJob(tiny, settings(tmp_path)).run()
    monkeypatch.setattr(job_module, "_ELSEWHERE", 0)
    CaptureJob(tiny, settings(tmp_path, out=tmp_path / "elsewhere")).run()
    assert same_files(tmp_path / "out", tmp_path / "elsewhere")
