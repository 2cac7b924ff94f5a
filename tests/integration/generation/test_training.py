"""A model made on this machine within a minute: it learns, and other programs can read it."""

import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from generation.engine.attention import PackedContext
from generation.engine.engine import Engine, EngineSettings
from generation.engine.params import SamplingParams
from generation.local_model import load_model
from generation.training.base import pretrain
from generation.training.card import Outcome
from generation.training.journal import read_rows
from generation.training.options import BaseOptions
from generation.training.vocabulary import train_tokenizer
from generation.types import Message
from tests.ties import assert_likeliest

# a minute of a free core, and with that core shared among ten a quarter of an hour
pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).parents[3]
# Nats per token below what the tokens' frequencies give, which is all that a model has learnt that
# does not read. Five seeds reach 1.38 to 1.46; the texts, being this repository's, differ from
# commit to commit, and other rounding makes another run of it.
LEARNT = 0.5
# two logits of float32 may each differ by what the test of logits allows: this is ten times as much
ROUNDING = 1e-2
STEPS = 200  # steps, not minutes: a busy machine learns as much, only later


def gather_texts(folder: Path) -> Path:
    """The texts within the repository: its pages, its documents for tests, its source code."""
    folder.mkdir()
    rooms = ("app", "core", "generation", "ingestion", "retrieval")
    sources = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/e2e/documents/*.md")]
    for number, path in enumerate(sorted(pages + sources)):
        (folder / f"{number:04}.txt").write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A model's folder, and how its training ended."""
    root = tmp_path_factory.mktemp("training")
    data = gather_texts(root / "data")
    train_tokenizer(data, root / "tokenizer", vocab_size=1024, report=print)
    options = BaseOptions(
        data=data,
        tokenizer=root / "tokenizer",
        out=root / "model",
        layers=4,
        width=128,
        heads=4,
        kv_heads=2,
        context=128,
        batch_tokens=1024,
        steps=STEPS,
        lr=2e-3,  # twice as much is chaos: a run in five learns a third as much
        device="cpu",
    )
    return root / "model", pretrain(options, report=print)


def test_the_model_learns_far_more_than_how_often_tokens_occur(made: tuple[Path, Outcome]) -> None:
    folder, outcome = made
    assert outcome.validation_loss < outcome.baseline_loss - LEARNT
    losses = [row.loss for row in read_rows(folder / "loss.csv")]
    assert losses[0] == pytest.approx(math.log(1024), abs=0.2)  # it began knowing nothing
    assert fmean(losses[-20:]) < outcome.baseline_loss - LEARNT


def test_transformers_computes_the_same_logits_from_the_folder(made: tuple[Path, Outcome]) -> None:
    folder, _ = made
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ours = load_model(folder, precision="float32")
    text = "Every answer shows the place in the documents that it comes from, page 12 of 345."
    ids = ours.tokenizer.encode(text)
    assert ids == AutoTokenizer.from_pretrained(folder).encode(text)

    tokens = torch.tensor(ids)
    with torch.inference_mode():
        hidden = ours.model(tokens, torch.arange(len(ids)), PackedContext([len(ids)]))
        logits = ours.model.logits(hidden)
        expected = theirs(tokens[None]).logits[0]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_transformers_renders_the_same_chat(made: tuple[Path, Outcome]) -> None:
    folder, _ = made
    theirs = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": "Where is it written? <|im_end|>"}]
    prompt = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert prompt == (
        "<|im_start|>user\nWhere is it written? <|im_end|><|im_end|>\n<|im_start|>assistant\n"
    )
    ours = load_model(folder).tokenizer
    ids = ours.render_chat([Message("user", "Where is it written?")])
    assert ids[0] == ours.control_tokens["<|im_start|>"]
    assert ours.stop_ids == {theirs.eos_token_id, ours.control_tokens["<|im_end|>"]}


def test_the_engine_continues_a_text_as_transformers_would(made: tuple[Path, Outcome]) -> None:
    folder, _ = made
    loaded = load_model(folder, precision="float32")
    prompt = loaded.tokenizer.encode("The documents are")
    engine = Engine(loaded.model, EngineSettings(num_threads=1))
    try:
        tokens = list(engine.generate(prompt, SamplingParams(max_tokens=24)))
    finally:
        engine.close()
    assert len(tokens) == 24
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits = theirs(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
    assert_likeliest(tokens, logits, rounding=ROUNDING)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_on_a_card_learns_and_can_go_on_there(tmp_path: Path) -> None:
    data = gather_texts(tmp_path / "data")
    train_tokenizer(data, tmp_path / "tokenizer", vocab_size=1024, report=print)
    options = BaseOptions(
        data=data,
        tokenizer=tmp_path / "tokenizer",
        out=tmp_path / "model",
        steps=200,
        device="cuda",
        resume=True,
    )
    first = pretrain(options, report=print)
    assert first.validation_loss < first.baseline_loss - LEARNT
    longer = pretrain(replace(options, steps=220), report=print)
    assert longer.run.step == 220
    assert longer.validation_loss < first.validation_loss + 0.1
