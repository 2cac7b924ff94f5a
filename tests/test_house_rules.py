"""The house rules that a machine can check. Reads the sources and the docs; runs no service."""

import ast
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, cast

import typer
from pydantic import BaseModel

from app import errors as http_errors
from app.cli import main as command_line
from app.contract import build_contract
from core.environment import IN_A_FILE
from core.errors import CimientoError
from core.settings import Settings, setting_names
from tests.house import (
    PACKAGES,
    ROOT,
    Definition,
    Function,
    doc,
    fail_with,
    functions,
    modules,
    text_files,
)

MAX_FUNCTION_LINES: Final = 60
MAX_FILE_LINES: Final = 400
MAX_PARAMETERS: Final = 6

# A migration is a record of what was done on one day: it is never split up or tidied afterwards.
EXEMPT_FROM_LENGTH: Final = ROOT / "migrations" / "versions"
# SQLAlchemy's own word for the class that every table derives from.
EXEMPT_CLASSES: Final = frozenset({("core/tables.py", "Base")})

OUTDATED: Final = re.compile(r"(_old|_v\d+|_refactor(ed)?)$|(?<=[a-z])(Old|V\d+|Refactor(ed)?)$")
VAGUE_CLASS: Final = re.compile(r"(Managers?|Helpers?|Utils?|Base)$")
VAGUE_MODULE: Final = re.compile(r"(^|_)(managers?|helpers?|utils?)$")
SETTING: Final = re.compile(r"\bCIMIENTO_[A-Z][A-Z0-9_]*")
DOCS_PATH: Final = re.compile(
    r"\bdocs/(?:how-to|reference|decisions|images)/[\w./-]+\.(?:md|webp)\b"
)
LINK: Final = re.compile(r"\]\(([^)#\s]+\.(?:md|webp))(?:#[^)]*)?\)")
MAX_PICTURES_BYTES: Final = 1_000_000
# In two parts each, so that this file does not name them itself.
REGISTRY_HOSTS: Final = tuple(
    name + domain
    for name, domain in (
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("npmjs", ".org"),
        ("npmjs", ".com"),
        ("crates", ".io"),
        ("download.pytorch", ".org"),
        ("deb.debian", ".org"),
        ("anaconda", ".org"),
    )
)
MACHINE_PATHS: Final = re.compile(
    "|".join(
        rf"(?<![\w./~-]){top}/{rest}"
        for top, rest in (
            ("/work", r"(?:main|shared|\.library)\b"),
            ("/root", r"\w"),
            ("/home", r"[a-z]"),
            ("/Users", r"[A-Za-z]"),
        )
    )
)


def test_every_module_says_what_it_is() -> None:
    silent = [module.name for module in modules() if not ast.get_docstring(module.tree)]
    fail_with(silent, "begin these files with a docstring: what the module is, what it refuses")


def test_functions_fit_a_screen() -> None:
    long = [
        f"{module.name}:{node.lineno} {node.name} has {lines} lines"
        for module in modules()
        if not module.path.is_relative_to(EXEMPT_FROM_LENGTH)
        for node in functions(module.tree)
        if not _is_kernel(node)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    fail_with(long, f"cut these into functions of at most {MAX_FUNCTION_LINES} lines")


def test_files_stay_short() -> None:
    long = [
        f"{module.name} has {lines} lines"
        for module in modules()
        if not module.path.is_relative_to(EXEMPT_FROM_LENGTH)
        if (lines := len(module.text.splitlines())) > MAX_FILE_LINES
    ]
    fail_with(long, f"split these into files of at most {MAX_FILE_LINES} lines, one noun each")


def test_functions_take_few_parameters() -> None:
    greedy = [
        f"{module.name}:{node.lineno} {node.name} takes {number}"
        for module in modules()
        for node in functions(module.tree)
        if not node.name.startswith("test_")  # pytest spells its fixtures as parameters
        if not _is_kernel(node)
        if (number := _count_parameters(node)) > MAX_PARAMETERS
    ]
    fail_with(greedy, f"pass at most {MAX_PARAMETERS} parameters: group what belongs together")


def _is_kernel(node: Function) -> bool:
    """Whether a card runs it: it then has no objects and hardly any functions to be cut into."""
    return "triton.jit" in map(ast.unparse, node.decorator_list)


def _count_parameters(node: Function) -> int:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [item for item in (arguments.vararg, arguments.kwarg) if item is not None]
    return len([item for item in named + starred if item.arg not in ("self", "cls")])


def test_no_name_tells_of_an_earlier_version() -> None:
    # tests are sentences, and may end in the name of an API such as /v1
    outdated = [module.name for module in modules() if OUTDATED.search(module.path.stem)]
    outdated += [
        f"{module.name}:{node.lineno} {node.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, Definition) and not node.name.startswith("test_")
        if OUTDATED.search(node.name)
    ]
    fail_with(outdated, "delete the old path in the commit that adds the new; rename these")


def test_no_name_is_vague() -> None:
    vague = [module.name for module in modules() if VAGUE_MODULE.search(module.path.stem)]
    vague += [
        f"{module.name}:{node.lineno} {node.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and VAGUE_CLASS.search(node.name)
        if (module.name, node.name) not in EXEMPT_CLASSES
    ]
    fail_with(vague, "name these by what they are: no Manager, Helper, Utils or Base")


def test_only_the_entry_points_wire_adapters_together() -> None:
    # what Ray starts is a process of its own, and begins there
    processes = ("app/main.py", "app/cli/", "app/fleet/on_ray/")
    allowed = (*processes, "app/langchain/opening.py", "benchmarks/", "tests/")
    others = [
        f"{module.name}:{line}"
        for module in modules()
        if not module.name.startswith(allowed)
        for line in _lines_that_import_wiring(module.tree)
    ]
    fail_with(others, "take the narrow thing as an argument instead of importing app.wiring")


def _lines_that_import_wiring(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [item.name for item in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{item.name}" for item in node.names]
        else:
            continue
        if any(f"{name}.".startswith("app.wiring.") for name in names):
            yield node.lineno


def test_every_setting_is_documented() -> None:
    page = doc("reference/settings.md")
    missing = [row for row in _setting_rows() if row not in page]
    fail_with(missing, "put these rows into docs/reference/settings.md, in place of older ones")


def _setting_rows() -> Iterator[str]:
    descriptions = setting_names()
    assert descriptions
    for name, description in descriptions.items():
        yield f"| `{name}` | {_default_of(name)} | {description} |"


def _default_of(name: str) -> str:
    first, *rest = name.removeprefix("CIMIENTO_").lower().split("__")
    if not rest:
        return "the user's data folder"  # it differs from machine to machine
    group = cast("type[BaseModel]", Settings.model_fields[first].annotation)
    default = group.model_fields[rest[0]].default
    return "none" if default is None else f"`{str(default).lower()}`"


def test_no_setting_is_named_that_does_not_exist() -> None:
    known = setting_names()
    invented = [
        f"{file}: {name}"
        for file, text in text_files().items()
        if not file.startswith("tests/")  # tests try out wrong names
        for name in SETTING.findall(text)
        if name not in known and name.removesuffix(IN_A_FILE) not in known
    ]
    fail_with(invented, "core.settings knows no such setting; correct the name")


def test_every_command_and_option_is_documented() -> None:
    sections = _sections(doc("reference/command-line.md"))
    missing = []
    for name, options in _commands():
        section = sections.get(f"`{name}`")
        if section is None:
            missing.append(f"## `{name}`")
        else:
            missing += [f"{option} under {name}" for option in options if option not in section]
    fail_with(missing, "describe these in docs/reference/command-line.md")


def test_no_command_is_documented_that_does_not_exist() -> None:
    headings = {title.strip("`") for title in _sections(doc("reference/command-line.md"))}
    described = {title for title in headings if title.startswith("cimiento ")}
    invented = described - {name for name, _ in _commands()}
    fail_with(list(invented), "docs/reference/command-line.md describes what is not there; remove")


def _commands() -> Iterator[tuple[str, list[str]]]:
    yield from _walk("cimiento", typer.main.get_command(command_line))


def _walk(name: str, command: Any) -> Iterator[tuple[str, list[str]]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield (
            name,
            [
                option
                for parameter in command.params
                for option in parameter.opts
                if option.startswith("--")
            ],
        )
        return
    for key, value in inner.items():
        yield from _walk(f"{name} {key}", value)


def _sections(page: str) -> dict[str, str]:
    """Text by heading; a section ends where the next heading begins."""
    parts = re.split(r"^##+ (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_error_is_documented() -> None:
    codes = _error_codes()
    listed = _listed_codes()
    fail_with(list(codes - listed), "add a row for each code to docs/reference/errors.md")
    fail_with(list(listed - codes), "no error has these codes; remove them from the errors page")


def test_every_http_status_belongs_to_an_error() -> None:
    dead = set(http_errors.STATUS_BY_CODE) - _error_codes()
    fail_with(list(dead), "no CimientoError has these codes; remove them from app/errors.py")


def _listed_codes() -> set[str]:
    return set(re.findall(r"^\| `([a-z_]+)` \|", doc("reference/errors.md"), flags=re.MULTILINE))


@cache
def _error_codes() -> frozenset[str]:
    _import_everything()
    named = {error.code for error in _subclasses(CimientoError)}
    # those of HTTP itself, and of files that the command line cannot open
    from_http = {*http_errors._HTTP_CODES.values(), "http_error"}
    return frozenset({CimientoError.code, *named, *from_http, "unreadable_file"})


def _subclasses(kind: type[CimientoError]) -> Iterator[type[CimientoError]]:
    for inner in kind.__subclasses__():
        if inner.__module__.split(".")[0] in PACKAGES[:5]:
            yield inner
        yield from _subclasses(inner)


def _import_everything() -> None:
    for package in PACKAGES[:5]:
        root = importlib.import_module(package)
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            # a program runs when it is imported, kernels are written for a card's compiler, and Ray
            # is an extra
            if not re.search(r"(__main__|\.cuda\.kernels|\.on_ray\..*)$", found.name):
                importlib.import_module(found.name)


def test_every_route_is_documented() -> None:
    listed = set(re.findall(r"`([A-Z]+ /[^`\s]*)`", doc("reference/http-api.md")))
    routes = set(_routes())
    fail_with(list(routes - listed), "describe these routes in docs/reference/http-api.md")
    # the page of the chat and its static files are no part of the API, but may be named
    gone = {route for route in listed - routes if "/v1/" in route or "/health/" in route}
    fail_with(list(gone), "no such route: remove it from docs/reference/http-api.md")


def _routes() -> Iterator[str]:
    for path, operations in build_contract()["paths"].items():
        yield from (f"{method.upper()} {path}" for method in operations)


def test_every_page_that_is_named_exists() -> None:
    missing = [
        f"{file}: {name}"
        for file, text in text_files().items()
        for name in DOCS_PATH.findall(text)
        if not (ROOT / name).is_file()
    ]
    missing += [
        f"{file}: {name}"
        for file, text in text_files().items()
        if file.endswith(".md")
        for name in LINK.findall(text)
        if "://" not in name and not (ROOT / file).parent.joinpath(name).is_file()
    ]
    fail_with(missing, "correct the path, or write the page")


def test_pictures_are_small_and_shown_somewhere() -> None:
    pictures = list((ROOT / "docs" / "images").iterdir())
    pages = "".join(text for file, text in text_files().items() if file.endswith(".md"))
    unseen = [path.name for path in pictures if f"images/{path.name}" not in pages]
    fail_with(unseen, "show it, or take it out of tests/e2e/pictures.py and run 'make pictures'")
    num_bytes = sum(path.stat().st_size for path in pictures)
    assert num_bytes < MAX_PICTURES_BYTES, f"the pictures have {num_bytes} bytes: make fewer"


def test_the_image_is_built_from_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    missing = [name for name in packages if f"!{name.rstrip('*')}/" not in let_through]
    fail_with(missing, "let it through in .dockerignore: the image's wheel lacks it without a word")


def test_every_requirement_is_pinned_by_hash() -> None:
    faults = []
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        joined = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in joined.splitlines():
            requirement = line.split("#")[0].strip()
            if requirement and not re.match(r"\S+==\S+\s+(.*\s)?--hash=sha256:", requirement):
                faults.append(f"{path.name}: {requirement[:60]}")
    fail_with(faults, "run 'make lock': it writes exact versions with hashes")


def test_no_file_names_a_registry_or_a_machine() -> None:
    faults = []
    for file, text in text_files().items():
        hosts = [host for host in REGISTRY_HOSTS if host in text]
        paths = [match.group() for match in MACHINE_PATHS.finditer(text)]
        faults += [f"{file}: {found}" for found in hosts + paths]
    fail_with(faults, "say 'the package index' or use a relative path: machines differ")


def test_migrations_stand_in_one_line() -> None:
    """Two that were written side by side both follow the same one, and nothing can be upgraded."""
    said = [
        re.findall(r'^(?:down_)?revision: str(?: \| None)? = (?:"(\d+)"|None)', text, re.MULTILINE)
        for path in sorted((ROOT / "migrations" / "versions").glob("[0-9]*.py"))
        for text in [path.read_text(encoding="utf-8")]
    ]
    assert [before for _, before in said] == ["", *(revision for revision, _ in said[:-1])]
