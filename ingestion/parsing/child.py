"""The parser's own process: limits first, then the untrusted file. Reaches no network."""

import importlib
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from core.errors import CimientoError
from ingestion.errors import (
    DocumentTooLargeError,
    NoTextFoundError,
    UnreadableDocumentError,
    UnsupportedMediaTypeError,
)
from ingestion.parsing import formats
from ingestion.parsing.attachments import save_attachments
from ingestion.parsing.confinement import confine, own_code
from ingestion.parsing.document import ParsedDocument, ParseLimits, Parser
from ingestion.processes import die_with_parent

_PICTURES: Final = (
    formats.BMP,
    formats.GIF,
    formats.JPEG,
    formats.PNG,
    formats.TIFF,
    formats.WEBP,
)
EXIT_OUT_OF_MEMORY: Final = 77
# Imported by name and late: a PDF must not pay for the HTML parser's imports.
PARSERS: Final = {
    formats.CSV: "ingestion.parsing.delimited:parse",
    formats.DOC: "ingestion.parsing.encrypted:parse_doc",
    formats.DOCX: "ingestion.parsing.office:parse_docx",
    formats.EML: "ingestion.parsing.mail:parse",
    formats.ENCRYPTED: "ingestion.parsing.encrypted:parse",
    formats.EPUB: "ingestion.parsing.office:parse_epub",
    formats.HTML: "ingestion.parsing.html:parse",
    formats.JSON: "ingestion.parsing.records:parse",
    formats.JSONL: "ingestion.parsing.records:parse",
    formats.MARKDOWN: "ingestion.parsing.markdown:parse",
    formats.MSG: "ingestion.parsing.outlook:parse",
    formats.ODT: "ingestion.parsing.office:parse_odt",
    formats.PDF: "ingestion.parsing.pdf:parse",
    formats.PLAIN: "ingestion.parsing.plain:parse",
    formats.PPT: "ingestion.parsing.encrypted:parse_ppt",
    formats.PPTX: "ingestion.parsing.slides:parse",
    formats.RTF: "ingestion.parsing.office:parse_rtf",
    formats.TSV: "ingestion.parsing.delimited:parse",
    formats.XLS: "ingestion.parsing.encrypted:parse_xls",
    formats.XLSX: "ingestion.parsing.office:parse_xlsx",
    **dict.fromkeys(_PICTURES, "ingestion.parsing.image:parse"),
}
_FORBIDDEN: Final = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
)
# The result is JSON: text, and a rectangle for every line of it.
_OUTPUT_BYTES_PER_CHAR: Final = 8
_OUTPUT_BYTES_LEAST: Final = 64 * 1024 * 1024
_MAX_OPEN_FILES: Final = 256
_OOM_SCORE: Final = Path("/proc/self/oom_score_adj")


# Formats that may be encrypted: their parsers take a password.
TAKES_PASSWORD: Final = frozenset(
    {formats.DOC, formats.ENCRYPTED, formats.PDF, formats.PPT, formats.XLS}
)


def main() -> None:
    """Parse the file that the request names, and leave the outcome in the working folder.

    The request comes by standard input: it may hold a password, and arguments are public.
    """
    request = json.load(sys.stdin)
    limits = ParseLimits(**request["limits"])
    die_with_parent(request["parent_pid"], signal.SIGKILL)
    limit_self(limits)
    confine(work=Path.cwd(), readable=[*own_code(), Path(request["source"])])
    sys.addaudithook(_refuse)
    outcome = _outcome(request, limits)
    try:
        _save(outcome)
    except OSError as error:
        _save(_error(DocumentTooLargeError(f"the parsed document is too large ({error.strerror})")))
    # At once: threads of native libraries must not outlive the interpreter that they call.
    os._exit(0)


def load_parser(media_type: str, password: str | None = None) -> Parser:
    """The parser of a format, with what opens the file. Raises `UnsupportedMediaTypeError`."""
    if media_type not in PARSERS:
        raise UnsupportedMediaTypeError(f"no parser reads {media_type}")
    module, _, name = PARSERS[media_type].partition(":")
    parse: Any = getattr(importlib.import_module(module), name)
    parser: Parser = partial(parse, password=password) if media_type in TAKES_PASSWORD else parse
    return parser


def limit_self(limits: ParseLimits) -> None:
    """Set what the kernel counts: memory, processor seconds, size of files, open files.

    Where the machine's memory runs out all the same, the kernel takes this process first: better
    one document than the worker, or whoever answers.
    """
    # not in every container may it be written
    with suppress(OSError):
        _OOM_SCORE.write_text("1000", "ascii")
    seconds = int(limits.timeout_s) + 1
    output = limits.max_text_chars * _OUTPUT_BYTES_PER_CHAR + _OUTPUT_BYTES_LEAST
    for what, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, output),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
    ):
        resource.setrlimit(what, (value, value))
    # the signal of the soft limit says what happened; that of the hard one is like any other kill
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _outcome(request: dict[str, Any], limits: ParseLimits) -> str:
    def report(done: int, total: int) -> None:
        os.write(request["progress_fd"], b"%d %d\n" % (done, total))

    try:
        parse = load_parser(request["media_type"], request["password"])
        document = _with_text(parse(Path(request["source"]), limits, report))
        save_attachments(Path(), document.attachments)
        return document.to_json()
    except CimientoError as error:
        return _error(error)
    except MemoryError:
        os._exit(EXIT_OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - any failure of a parser is this file's outcome
        return _error(UnreadableDocumentError(f"the file cannot be read ({type(error).__name__})"))


def _error(error: CimientoError) -> str:
    return json.dumps({"code": error.code, "message": str(error)})


def _save(outcome: str) -> None:
    # rename last: the parent must never read half an outcome
    Path("outcome.tmp").write_text(outcome, encoding="utf-8")
    Path("outcome.tmp").replace("outcome.json")


def _with_text(document: ParsedDocument) -> ParsedDocument:
    if not document.text.strip():
        raise NoTextFoundError("the file holds no text")
    return document


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    # An audit hook cannot be taken off again, whatever a file makes Python code do.
    if event in _FORBIDDEN:
        raise PermissionError(f"a parser may not use {event}")


if __name__ == "__main__":
    main()
