"""Which passage a question is asked of, and where its answer is looked for."""

from pathlib import Path

import torch

from generation.pointing import PairTokenizer
from generation.training.extractor.batches import PairStream, build_batch, cut_passes
from generation.training.extractor.pairs import Pairs, read_pairs
from tests.unit.core.encoder_folder import POSITIONS, write_folder
from tests.unit.generation.training.extractor.making import extractor_options
from tests.unit.generation.training.reader.making import write_rows

TWICE = "w1 w2 w9 w1 w2 w3"
OTHER = "w7 w8"


def read(folder: Path, rows: list[dict[str, object]], **changes: object) -> Pairs:
    write_folder(folder / "tiny")
    write_rows(folder / "examples.jsonl", rows)
    tokenizer = PairTokenizer(folder / "tiny", window=POSITIONS)
    return read_pairs(extractor_options(folder, **changes), tokenizer)


def row(
    question: str, passages: list[str], answer: str | None, split: str = ""
) -> dict[str, object]:
    return {"question": question, "passages": passages, "answer": answer, "split": split}


JUDGED = row("w5", ["w5 w6"], "w6", "dev")


def test_every_time_that_a_passage_says_the_answer_counts(tmp_path: Path) -> None:
    pairs = read(tmp_path, [row("w4", [TWICE], "w1 w2"), row("w5", [OTHER], None), JUDGED])
    said, silent = pairs.learnt
    # <s> w4 </s> </s> and then the passage
    assert said.tokens.first == 4
    assert (said.starts.tolist(), said.ends.tolist()) == ([4, 7], [5, 8])
    assert (silent.starts.tolist(), silent.ends.tolist()) == ([0], [0])
    assert [pair.asked.answer for pair in pairs.judged] == ["w6"]


def test_a_passage_that_does_not_answer_is_met_only_where_it_does_not(tmp_path: Path) -> None:
    asked = [row("w4", [TWICE, OTHER, "w8 w1 w2"], "w1 w2"), JUDGED]
    learnt = read(tmp_path, asked, others=1.0).learnt
    assert [(each.asked.passage, each.asked.answer) for each in learnt] == [
        (TWICE, "w1 w2"),
        (OTHER, None),
    ]
    (tmp_path / "again").mkdir()
    assert len(read(tmp_path / "again", asked, others=0.0).learnt) == 1


def test_a_pair_is_learnt_once_and_an_answer_beyond_the_window_not_at_all(tmp_path: Path) -> None:
    long = " ".join(["w9"] * POSITIONS) + " w1"
    rows = [
        row("w4", [TWICE], "w3"),
        row("w4", [TWICE, OTHER], "w3"),
        row("w4", [long], "w1"),
        JUDGED,
    ]
    pairs = read(tmp_path, rows, others=0.0)
    assert len(pairs.learnt) == 1
    assert (
        "1 pairs of a question and a passage were there before; of 1 the answer" in pairs.notes[2]
    )


def test_only_the_passage_and_the_first_token_may_be_pointed_at(tmp_path: Path) -> None:
    pairs = read(tmp_path, [row("w4", [TWICE], "w3"), row("w5 w6", [OTHER], None), JUDGED])
    batch = build_batch(pairs.learnt)
    assert batch.allowed.nonzero().tolist() == [
        *([0, place] for place in (0, 4, 5, 6, 7, 8, 9)),
        *([1, place] for place in (0, 5, 6)),
    ]
    assert torch.equal(batch.starts.nonzero(), torch.tensor([[0, 9], [1, 0]]))
    assert batch.texts.mask.sum(dim=1).tolist() == [11.0, 8.0]


def test_a_step_holds_its_pairs_in_passes_no_longer_than_was_said(tmp_path: Path) -> None:
    rows = [row(f"w{place}", [TWICE + " w9" * place], "w3") for place in range(9)]
    learnt = read(tmp_path, [*rows, JUDGED], others=0.0).learnt
    passes = list(cut_passes(learnt, 40))
    assert sorted(len(pair) for some in passes for pair in some) == sorted(map(len, learnt))
    assert all(max(map(len, some)) * len(some) <= 40 for some in passes)
    stream = PairStream(learnt, batch_pairs=4, pass_tokens=40, seed=0)
    step = stream.take_step()
    assert sum(batch.num_targets for batch in step) == 4
    assert stream.position == 4
