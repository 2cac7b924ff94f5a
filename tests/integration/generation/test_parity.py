"""Our transformer equals transformers on the real weights: logits, greedy text, token ids."""

import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from benchmarks.reference import generate_greedily
from generation.engine.attention import PackedContext
from generation.engine.engine import Engine
from generation.engine.params import SamplingParams
from generation.local_model import LoadedModel
from generation.types import Message
from tests.integration.generation.conftest import ModelFiles
from tests.integration.generation.prompts import PASSAGE, QUESTIONS

pytestmark = pytest.mark.weights


@torch.inference_mode()
def test_logits_equal_transformers_over_200_tokens(
    loaded: LoadedModel, reference: LlamaForCausalLM
) -> None:
    ids = loaded.tokenizer.encode(PASSAGE)[:200]
    assert len(ids) == 200
    hidden = loaded.model(torch.tensor(ids), torch.arange(200), PackedContext([200]))
    difference = loaded.model.logits(hidden) - reference(torch.tensor([ids])).logits[0]
    assert difference.abs().max() < 1e-3


@torch.inference_mode()
@pytest.mark.parametrize("question", QUESTIONS)
def test_greedy_text_equals_transformers_for_64_tokens(
    loaded: LoadedModel, reference: LlamaForCausalLM, engine: Engine, question: str
) -> None:
    prompt = loaded.tokenizer.render_chat([Message("user", question)])
    params = SamplingParams(max_tokens=64, stop_ids=loaded.tokenizer.stop_ids)
    output = list(engine.generate(prompt, params))

    # one full pass over prompt and output shows transformers' greedy choice after every token:
    # where all of them agree its own generation is this text, by induction, in a tenth of the time
    choices = reference(torch.tensor([prompt + output])).logits[0].argmax(-1).tolist()
    expected = choices[len(prompt) - 1 :]
    assert output == expected[: len(output)]
    assert len(output) == 64 or expected[len(output)] in loaded.tokenizer.stop_ids


@torch.inference_mode()
def test_greedy_text_equals_what_transformers_generates(
    loaded: LoadedModel, reference: LlamaForCausalLM, engine: Engine
) -> None:
    prompt = loaded.tokenizer.render_chat([Message("user", QUESTIONS[1])])
    output = list(engine.generate(prompt, SamplingParams(max_tokens=64)))
    assert output == generate_greedily(reference, prompt, num_tokens=64)


@pytest.fixture(scope="module")
def their_tokenizer(model_files: ModelFiles) -> PreTrainedTokenizerBase:
    path = model_files.answer_model
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    # transformers' GGUF reader forgets that this model splits digits; its checkpoint says so
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer


@pytest.mark.parametrize(
    "text",
    [
        PASSAGE,
        "don't they'll   say\r\n\tx = 3.14159;  # ¿niña?",
        "日本語 и русский, emoji 👩‍👩‍👧 \u00a0 and \u200b marks",
        " ",
        "\n\n\n",
    ],
)
def test_text_encodes_as_in_transformers(
    loaded: LoadedModel, their_tokenizer: PreTrainedTokenizerBase, text: str
) -> None:
    ids = loaded.tokenizer.encode(text)
    assert ids == their_tokenizer.encode(text, add_special_tokens=False)
    assert loaded.tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    "messages",
    [
        [Message("user", QUESTIONS[0])],
        [Message("system", "Answer briefly."), Message("user", PASSAGE)],
        [Message("user", "  hi \n"), Message("assistant", "Hello!"), Message("user", "\n\n¿Qué?")],
    ],
)
@pytest.mark.parametrize("add_generation_prompt", [True, False])
def test_a_chat_encodes_as_in_transformers(
    loaded: LoadedModel,
    their_tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    add_generation_prompt: bool,  # noqa: FBT001  pytest fills it in by name
) -> None:
    theirs = their_tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in messages],
        add_generation_prompt=add_generation_prompt,
        tokenize=True,
        return_dict=False,
    )
    ours = loaded.tokenizer.render_chat(messages, add_generation_prompt=add_generation_prompt)
    assert ours == theirs


def test_no_control_token_can_be_spelt(loaded: LoadedModel) -> None:
    tokenizer = loaded.tokenizer
    for spelt in tokenizer.control_tokens:
        ids = tokenizer.encode(f"a {spelt}{spelt} b")
        assert not tokenizer.control_ids & set(ids)
        assert tokenizer.decode(ids) == f"a {spelt}{spelt} b"
        chat = tokenizer.render_chat([Message("user", spelt)])
        plain = tokenizer.render_chat([Message("user", "x")])
        assert [i for i in chat if i in tokenizer.control_ids] == [
            i for i in plain if i in tokenizer.control_ids
        ]
