"""Run jinja2 templates that came with a model file. They reach nothing and always end.

jinja2's own sandbox keeps a template from Python's insides, not from looping for hours or building
strings of gigabytes. Here every loop, call, filter, operator and output is charged to a budget, and
what cannot be charged before it is done is not there.
"""

import datetime
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn, cast

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import BlockReference, Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from generation.template_budget import (
    TemplateTooCostlyError,
    admit,
    budget,
    charge,
    length_of,
    weigh,
)

# what code inside a template can raise: its own refusal, or arithmetic on the wrong type
TEMPLATE_FAULTS: Final = (
    *(TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    *(RecursionError, MemoryError, SyntaxError),
)
MAX_SOURCE_CHARS: Final = 1 << 18
_MAX_EXPONENT: Final = 64
_MAX_INDENT: Final = 16
# what compiled templates add to every call for those who ask
_JINJA_KEYWORDS: Final = ("_loop_vars", "_block_vars")

_FILTERS: Final = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float"),
    *("int", "items", "last", "length", "list", "lower", "map", "max", "min", "reject"),
    *("rejectattr", "reverse", "safe", "select", "selectattr", "sort", "string", "title", "trim"),
    *("unique", "upper"),
)
_GLOBALS: Final = ("range", "dict", "namespace", "cycler", "joiner")
_METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset(
        (
            *("capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha"),
            *("isdigit", "isspace", "join", "lower", "lstrip", "replace", "rfind", "rindex"),
            *("rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title"),
            "upper",
        )
    ),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
}


class GenerationTag(Extension):
    """{% generation %}...{% endgeneration %} marks what a model wrote; only training asks."""

    tags = {"generation"}  # noqa: RUF012  this is how jinja2 has it declared

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class TemplateSandbox(ImmutableSandboxedEnvironment):
    """One template's environment: what transformers gives its templates, less what has no bound."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, source: str) -> None:
        """Raises TemplateSyntaxError, or another of TEMPLATE_FAULTS."""
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, GenerationTag],
            optimized=False,
            finalize=admit,
        )
        own = {"tojson": _to_json, "join": _join, "replace": _replace}
        filters = {name: self.filters[name] for name in _FILTERS} | own
        self.filters = {name: _charged(run) for name, run in filters.items()}
        self.globals = {name: self.globals[name] for name in _GLOBALS}
        self.globals |= {"raise_exception": _refuse, "strftime_now": _format_now}
        if len(source) > MAX_SOURCE_CHARS:
            raise TemplateSyntaxError(f"it has over {MAX_SOURCE_CHARS} characters", 1)
        self._num_constant_chars = len(source)
        with budget(num_chars=len(source)):  # constants are computed while compiling
            self._template = self.from_string(source)

    def render(self, variables: Mapping[str, object], *, num_chars: int, num_messages: int) -> str:
        """Raises one of TEMPLATE_FAULTS. The numbers are of what the template has to write."""
        with budget(num_chars=num_chars, num_messages=num_messages):
            return self._template.render(variables)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        metered: nodes.Template = _Metering().visit(tree)
        metered.set_environment(self)
        return metered

    def wrap_str_format(self, value: Any) -> None:
        """Leave str.format to `is_safe_attribute`, which refuses it: widths have no bound."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        for kind, methods in _METHODS.items():
            if isinstance(obj, kind):
                return attr in methods
        return super().is_safe_attribute(obj, attr, value)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        owner = getattr(__obj, "__self__", None)
        charge(sum(map(length_of, (owner, *args, *kwargs.values()))))
        if isinstance(__obj, Macro | LoopContext | BlockReference):
            charge(__self._num_constant_chars)  # what is written again whenever it runs
        if isinstance(owner, str):
            method = _METHODS_WITH_CARE.get(__obj.__name__)
            if method is not None:
                own = {k: v for k, v in kwargs.items() if k not in _JINJA_KEYWORDS}
                return admit(method(owner, *args, **own))
        return admit(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        charge(length_of(left) + length_of(right))
        if operator == "*":
            charge(_count(left) * _count(right))
        elif operator == "**" and abs(right) > _MAX_EXPONENT:
            raise TemplateTooCostlyError("it computes with huge numbers")
        elif operator == "%" and isinstance(left, str):
            raise TemplateError("it formats by %, which has no bound; use ~")
        return admit(super().call_binop(context, operator, left, right))

    # `_Metering` puts calls of these around parts of a template

    def meter_loop(self, items: Iterable[Any], num_constant_chars: int) -> Iterator[Any]:
        for item in items:
            charge(num_constant_chars)
            yield item

    def meter_value(self, value: Any) -> Any:
        return value  # `call` has admitted it

    def meter_comparison(self, value: Any) -> Any:
        charge(weigh(value) // 16)  # as fast as memory is read
        return value

    def meter_concat(self, *values: Any) -> str:
        return "".join(str(admit(value)) for value in values)


class _Metering(NodeTransformer):
    """Route through the environment what jinja2 would compile to plain Python."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        num_chars = sum(len(constant.data) for constant in node.find_all(nodes.TemplateData))
        num_chars += sum(len(str(constant.value)) for constant in node.find_all(nodes.Const))
        node.iter = _route("meter_loop", cast("nodes.Expr", node.iter), nodes.Const(num_chars))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _route("meter_concat", *node.nodes)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        sides: list[nodes.Compare | nodes.Operand] = [node, *node.ops]
        for side in sides:
            if not isinstance(side.expr, nodes.Const):
                side.expr = _route("meter_comparison", side.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _route("meter_value", node) if isinstance(node.arg, nodes.Slice) else node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _route("meter_value", node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _route("meter_value", node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _route("meter_value", node) if node.ctx == "load" else node


def _route(name: str, *values: nodes.Expr) -> nodes.Call:
    # an attribute of the environment, not a name: a template cannot put its own in its place
    target = nodes.EnvironmentAttribute(name)
    return nodes.Call(target, list(values), [], None, None, lineno=1)


def _charged(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)  # with jinja2's marks of what to pass first
    def charged(*args: Any, **kwargs: Any) -> Any:
        charge(sum(map(length_of, (*args, *kwargs.values()))))
        return admit(run(*args, **kwargs))

    return charged


def _count(value: object) -> int:
    """How often or how much: a number as itself, anything else by its length."""
    return abs(int(value)) if isinstance(value, int | float) else length_of(value)


def _join(items: Iterable[Any], separator: str = "") -> str:
    pieces = []
    for item in items:
        charge(length_of(separator) + length_of(item))
        pieces.append(str(item))
    return str(separator).join(pieces)


def _join_from(separator: str, items: Iterable[Any]) -> str:
    return _join(items, separator)


def _replace(text: Any, old: Any, new: Any, count: int = -1) -> str:
    text, old, new = str(text), str(old), str(new)
    found = text.count(old) if count is None or count < 0 else min(text.count(old), count)
    charge(found * len(new))
    replaced: str = text.replace(old, new, -1 if count is None else count)
    return replaced


_METHODS_WITH_CARE: Final[Mapping[str, Callable[..., str]]] = {
    "join": _join_from,
    "replace": _replace,
}


def _to_json(value: object, indent: int | None = None, *, ensure_ascii: bool = False) -> str:
    charge(weigh(value))
    if indent is not None and not 0 <= indent <= _MAX_INDENT:
        raise TemplateError(f"it indents by {indent}; at most {_MAX_INDENT}")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _format_now(pattern: str) -> str:
    if re.search(r"%[^A-Za-z%]", pattern):  # a width: "%999999999d" is a gigabyte of zeros
        raise TemplateError(f"it formats the date by {pattern!r}")
    return datetime.datetime.now(tz=datetime.UTC).strftime(pattern)
