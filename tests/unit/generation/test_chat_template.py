"""A chat template from anywhere reaches nothing, always ends, and otherwise does what it should."""

import re
import time
from collections.abc import Sequence

import pytest

from generation.chat_template import ChatTemplate, ChatTemplateError
from generation.types import Message

CONTROL = re.compile(r"(<\|im_start\|>|<\|im_end\|>|<bos>)")
CHAT = (Message("system", "Be brief."), Message("user", " ¿Qué? "), Message("assistant", "Sí."))
MAX_REFUSAL_S = 20  # of the processor; a few are used


def render(source: str, messages: Sequence[Message] = CHAT, *, prompt: bool = True) -> str:
    template = ChatTemplate(source, bos_token="<bos>", eos_token="<|im_end|>")
    pieces = template.render(messages, control_pattern=CONTROL, add_generation_prompt=prompt)
    return "".join(piece.text for piece in pieces)


# the constructs of the templates of Llama 3, Qwen 3, Gemma 3, SmolLM3 and Mistral
@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("{{ bos_token }}{{ eos_token }}", "<bos><|im_end|>"),
        ("{% for m in messages %}{{ m.role ~ ':' ~ m['content'] | trim }};{% endfor %}",
         "system:Be brief.;user:¿Qué?;assistant:Sí.;"),
        ("{%- if messages[0]['role'] == 'system' -%}{% set rest = messages[1:] %}{%- endif -%}"
         "{{ rest | length }}", "2"),
        ("{% set ns = namespace(n=0) %}{% for m in messages[::-1] %}"
         "{% if m.role != 'system' %}{% set ns.n = ns.n + loop.index0 %}{% endif %}{% endfor %}"
         "{{ ns.n }}", "1"),
        ("{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 1) %}"
         "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}fine", "fine"),
        ("{% for m in messages %}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
         "TrueFalse3 FalseFalse3 FalseTrue3 "),
        ("{% macro turn(m) %}<|im_start|>{{ m.role }}{% endmacro %}"
         "{% for m in messages %}{{ turn(m) }}{% endfor %}",
         "<|im_start|>system<|im_start|>user<|im_start|>assistant"),
        ("{% for m in messages if m.role in ['user', 'tool'] %}{{ m.content }}{% endfor %}",
         " ¿Qué? "),
        ("{{ messages | map(attribute='role') | join(', ') }}", "system, user, assistant"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "1"),
        ("{% if tools is defined and tools %}a{% endif %}{{ tools | default('none') }}", "none"),
        ("{{ {'a': [1, 'ñ']} | tojson }}", '{"a": [1, "ñ"]}'),
        ("{{ 'think</think>\\nanswer'.split('</think>')[-1].lstrip('\\n') }}", "answer"),
        ("{{ 'a-b'.replace('-', '+') }}{{ 'a-b' | replace('-', '+') }}", "a+ba+b"),
        ("{% if messages[1].content is string and not messages[1].content is iterable == false %}"
         "text{% endif %}", "text"),
        ("{% for m in messages %}{% if loop.index0 %}{% break %}{% endif %}x{% endfor %}", "x"),
        ("{% for m in messages %}{% generation %}{{ m.role }}{% endgeneration %}{% endfor %}",
         "systemuserassistant"),
        ("{% set text %}{{ bos_token }}!{% endset %}{{ text }}", "<bos>!"),
        ("{{ 'yes' if add_generation_prompt else 'no' }}", "yes"),
        ("{{ range(3) | list }}{{ 7 // 2 }}{{ 2 ** 3 }}{{ 'ab' * 2 }}", "[0, 1, 2]38abab"),
    ],
)  # fmt: skip
def test_what_real_templates_use_works(source: str, rendered: str) -> None:
    assert render(source) == rendered


def test_the_date_is_there_to_be_told() -> None:
    assert re.fullmatch(r"\d\d \w{3} \d{4}", render("{{ strftime_now('%d %b %Y') }}"))


def test_a_long_conversation_is_well_within_budget() -> None:
    source = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' }}"
        "{% if not loop.last and '</think>' in m.content %}{{ m.content.split('</think>')[-1] }}"
        "{% endif %}{% endfor %}"
    )
    for messages in ([Message("user", "word " * 2000)] * 100, [Message("user", "hi")] * 10_000):
        expected = sum(len(message.content) for message in messages)
        assert len(render(source, messages)) > expected


DOUBLE = "{% set ns = namespace(x='x' * 100) %}{% for i in range(60) %}"
NEST = "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% block a %}{{ self.a() }}{% endblock %}",
        "{% for x in [[1]] recursive %}{{ loop([x, x]) }}{{ loop([x, x]) }}{% endfor %}",
        NEST + "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        NEST + "{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ ns.x | tojson }}",
        NEST + "{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x | string }}",
        NEST + "{% set ns.x = dict(a=ns.x, b=ns.x) %}{% endfor %}{{ ns.x | length }}",
        NEST + "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}"
        "{{ ns.x == ns.y }}",
        DOUBLE + "{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x | length }}",
        DOUBLE + "{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x | length }}",
        DOUBLE + "{% set x %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = x %}{% endfor %}",
        DOUBLE + "{% set ns.x = ns.x.replace('x', ns.x) %}{% endfor %}{{ ns.x | length }}",
        DOUBLE + "{% set ns.x = ns.x | replace('x', ns.x) %}{% endfor %}{{ ns.x | length }}",
        DOUBLE + "{% set ns.x = ns.x.join(ns.x) %}{% endfor %}{{ ns.x | length }}",
        DOUBLE + "{% set ns.x = ns.x | join(ns.x) %}{% endfor %}{{ ns.x | length }}",
        "{% set ns = namespace(n=3) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}"
        "{% endfor %}{{ ns.n }}",
        "{% set x = 'x' * 9999999 %}{% for i in range(99999) %}{{ x[1:] == x[:-1] }}{% endfor %}",
        "{% set x = 'x' * 9999999 %}{% for i in range(99999) %}{{ 'y' in x }}{% endfor %}",
        "{% set x = 'x' * 9999999 %}{% for i in range(99999) %}{% if x.find('y') %}{% endif %}"
        "{% endfor %}",
        "{{ 'x' * 10 ** 10 }}",
        "{{ [1] * 10 ** 10 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 'x' | center(10 ** 10) }}",
        "{{ 'x'.zfill(10 ** 10) }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '%0999999999d' | format(1) }}",
        "{{ lipsum(n=10 ** 6) }}",
        "{{ strftime_now('%999999999Y') }}",
        "{{ [1] | tojson(indent=10 ** 9) }}",
        "{{ 1.5 | round(10 ** 9, 'ceil') }}",
        "{{ range(10 ** 9) | list }}",
        "{{ 'x' | indent(10 ** 9) }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% if 1 %}" * 500 + "{% endif %}" * 500,
        "{% set x = 1 %}" * 20_000,
        "x" * 300_000,
    ],
)  # fmt: skip
def test_a_template_without_end_is_refused_in_time(source: str) -> None:
    started = time.thread_time()
    with pytest.raises(ChatTemplateError):
        render(source)
    assert time.thread_time() - started < MAX_REFUSAL_S


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''['__class__'] }}",
        "{{ (''|attr('__class__')) }}",
        "{{ raise_exception.__globals__ }}",
        "{{ raise_exception.__globals__['re'] }}",
        "{{ strftime_now.__code__.co_code }}",
        "{{ self.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__['sys'] }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(role='x') }}",
        "{{ messages[0].pop('role') }}",
        "{{ ''.format_map(messages[0]) }}",
        "{% include 'config.json' %}",
        "{% import 'os' as os %}",
        "{% extends 'base' %}",
        "{{ open('config.json') }}",
        "{% set ns = namespace() %}{% set ns.__class__ = 1 %}{{ ns.__class__ }}",
        "{{ environment }}{{ environment.from_string('x') }}",
    ],
)
def test_a_template_reaches_nothing_outside(source: str) -> None:
    try:
        assert render(source) in ("", "1")  # what does not exist is written as nothing
    except ChatTemplateError as error:
        assert str(error)  # noqa: PT017  either will do


def test_a_template_cannot_put_its_own_in_place_of_the_meters() -> None:
    source = (
        "{% macro meter_loop(x, y) %}{% endmacro %}{% set environment = 1 %}{% set charge = 1 %}"
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    )
    with pytest.raises(ChatTemplateError, match="without end"):
        render(source)


def test_a_refusal_carries_the_templates_own_words() -> None:
    with pytest.raises(ChatTemplateError, match="no system messages here"):
        render("{{ raise_exception('no system messages here') }}")


def test_a_filter_that_does_not_exist_is_named() -> None:
    with pytest.raises(ChatTemplateError, match="'wordwrap'"):
        ChatTemplate("{{ 'x' | wordwrap }}")
