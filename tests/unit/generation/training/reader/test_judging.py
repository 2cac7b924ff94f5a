"""What one pass calls exact is what greedy decoding writes."""

from pathlib import Path

import pytest

from generation.engine.engine import Engine, EngineSettings
from generation.engine.model import Transformer
from generation.engine.params import SamplingParams
from generation.local_model import load_model
from generation.training.reader.branches import BranchedBatch, pack_in_passes
from generation.training.reader.finetuning import teach
from generation.training.reader.groups import Group, load_encoded
from generation.training.reader.judging import Judged, judge
from generation.training.trainer import OptimizerSettings, Trainer, next_token_loss
from tests.unit.generation.training.reader.making import (
    make_plain_rows,
    reader_options,
    write_base,
    write_rows,
)
from tests.unit.generation.training.texts import silent


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that was taught a little, all its weights."""
    folder = tmp_path_factory.mktemp("judged")
    write_base(folder)
    write_rows(folder / "examples.jsonl", make_plain_rows(8))
    options = reader_options(folder, method="full", steps=25, lr=5e-3, validations=1)
    teach(options, report=silent)
    return folder


def write_greedily(engine: Engine, group: Group, branch: int, size: int) -> list[int]:
    own = group.branches[branch]
    prompt = [*group.shared.tolist(), *own.ids.tolist()[: -own.num_reply]]
    return list(engine.generate(prompt, SamplingParams(max_tokens=size)))


def test_exact_replies_are_those_that_decoding_writes(taught: Path) -> None:
    encoded = load_encoded(taught / "reader" / "training" / "tokens")
    model = load_model(taught / "reader", precision="float32").model
    engine = Engine(model, EngineSettings(max_context=1024, num_threads=1))
    written = {True: 0, False: 0}
    try:
        for group in encoded.judged:
            for index, branch in enumerate(group.branches):
                reply = branch.ids.tolist()[-branch.num_reply :]
                said = write_greedily(engine, group, index, len(reply))
                written[branch.is_refusal] += said[: len(reply)] == reply
    finally:
        engine.close()
    trainer: Trainer[Transformer, BranchedBatch] = Trainer(
        model.requires_grad_(requires_grad=True), next_token_loss, settings=OptimizerSettings()
    )
    judged = judge(trainer, pack_in_passes(encoded.judged, pass_tokens=2000))
    assert judged.num_answers == 4
    assert judged.num_refusals == 2
    assert judged.exact_answers == written[False] / 4
    assert judged.exact_refusals == written[True] / 2
    assert written[False] + written[True] > 0


def test_the_metric_is_the_mean_of_both_kinds() -> None:
    assert Judged(1.0, 0.5, 1.0, 0.1, 4, 2).metric == 0.75
    assert Judged(1.0, 0.5, None, None, 4, 0).metric == 0.5
