"""Wordings that tell a machine what to answer, and those that only look like it. Judges no text.

All are read over folded text whose runs of white space are one character. Manuals tell people what
to do and what to say in the same words, so a verb of speaking counts only where nothing ordinary
follows it: "tell them to fill in form 12" hands a request on, "say that it is seven" puts an answer
into somebody's mouth. What looks ordinary and dictates after all ("reply within a day that it is
seven") is given away by a quotation mark, a colon, "that" or "with".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SPEAK: Final = r"""\b(?:
    answer|reply|respond|say|print|output|write|repeat|append|sign|tell|reveal|disclose|
    respond[ae]|responder|contest[ae]|contestar|di|diga|decir|escrib[ae]|escribir|imprim[ae]|
    repit[ae]|repetir|anad[ae]|anadir|firm[ae]|firmar|revel[ae]|revelar
)\b"""
_PUT: Final = r"""\b(?:
    add|begin|start|end|finish|insert|include|mention|show|display|muestr[ae]|mostrar|empiez[ae]|
    empezar|comienz[ae]|comenzar|termin[ae]|terminar|insert[ae]|incluy[ae]|incluir|menciona
)\b"""
_REPLY: Final = r"(?:answers?|repl(?:y|ies)|responses?|respuestas?|contestacion(?:es)?)"
_MACHINE: Final = r"""\b(?:
    language\ models?|a\.?i\.?\ (?:models?|assistants?|agents?|systems?)|llms?|chat\ ?bots?|
    system\ prompt|developer\ mode|modelos?\ de\ (?:lenguaje|ia)|
    asistentes?\ (?:de\ ia|virtual(?:es)?)|(?:mensaje|prompt)\ (?:de|del)\ sistema|
    modo\ (?:de\ )?desarrollador|(?:chat)?gpt|copilot|as\ an?\ (?:ai|assistant)|
    como\ (?:ia|asistente)
)\b"""
_CONTROL: Final = r"""(?:
    <\|[^|<>\n]{1,40}\|>|\[/?inst\]|<</?sys>>|
    </?(?:system|passages?|instructions?|assistant)>
)"""
_DISREGARD: Final = r"""\b(?:
    ignor[ae]|disregard|discard|forget|override|bypass|pay\ no\ attention\ to|stop\ following|
    (?:do\ not|don't|never)\ (?:follow|use|obey|read)|olvid[ae]|olvidar|descart[ae]|omit[ae]|
    haz\ caso\ omiso|dej[ae]\ de\ seguir|
    no\ (?:hagas\ caso|sigas|uses|obedezcas|tengas\ en\ cuenta|leas)
)\b"""
# what may stand between "ignore" and "instructions"; more would join words that only come near
_WHICH: Final = r"""(?:(?:
    all|any|every|of|the|your|my|its|these|those|other|previous|prior|earlier|preceding|above|
    former|original|initial|given|system|safety|tod[oa]s?|l[ao]s?|el|tus?|sus?|mis?|est[ao]s|
    es[ao]s|demas|otr[ao]s|del?|al|anteriores|previ[ao]s|and|or|rules?|reglas?|y
)\ ){0,6}"""
_AND_NO_WORDS: Final = r"(?!.*(?:\b(?:that|with|que|con)\b|[:\"“”«»]))"


def _pattern(*alternatives: str) -> re.Pattern[str]:
    """One pattern of several. A space matches any white space: lines are wrapped anywhere."""
    joined = "|".join(f"(?:{each})" for each in alternatives)
    return re.compile(joined.replace(r"\ ", r"\s"), re.VERBOSE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Telling:
    """A command to speak: a `verb` after an `opening`, with nothing ordinary from the verb on.

    opening: None where the verb may stand anywhere. reach: characters from the one to the other; 0
    where the verb must follow at once.
    """

    verb: re.Pattern[str]
    ordinary: re.Pattern[str]
    opening: re.Pattern[str] | None = None
    reach: int = 0

    def is_in(self, text: str) -> bool:
        """Whether the text holds one."""
        return any(self.ordinary.match(text, verb.start()) is None for verb in self._verbs(text))

    def _verbs(self, text: str) -> Iterator[re.Match[str]]:
        if self.opening is None:
            yield from self.verb.finditer(text)
            return
        for opening in self.opening.finditer(text):
            start = opening.end()
            if self.reach:
                yield from self.verb.finditer(text, start, start + self.reach)
            elif (verb := self.verb.match(text, start)) is not None:
                yield verb


# What people are told in a house where others ask: to hand a request on, to write something down.
_ORDINARY_SPEECH: Final = (
    r"(?<=not\ )(?:reveal|disclose)\b",
    r"""tell\ (?:them|him|her|people|callers|customers|guests|visitors|
        (?:the|your|a|an)\ (?!user|reader|person)\w+)
        (?:\ (?:to|where|how|who|whom|which|why|when|about)\b|\s*(?:[.,;]|$))
        (?!.*(?:\bthat\ (?:it|the|they|we|he|she|you|our|your|this)\b|[:\"“”«»]))""",
    rf"""(?:
        write\ (?:it|them)\ (?:on|in|down)\b|
        write\ (?:down|up|to|a\ (?:ticket|letter|note|report|mail|receipt)|their|his|her)\b|
        sign\ (?:the|a|an|their|his|her|in|off|for|up|it)\b|
        (?:answer|reply|respond|respond[ae]|contest[ae])\ (?:
            within|by|before|in\ (?:writing|person)|to\ (?:them|him|her|it|every|each|all|the)|
            por\ escrito|dentro\ de|antes\ de|(?:\w+ly|\w+mente)(?=\s*(?:[.,;]|$|and\b|y\b))
        )|
        repeat\ (?:the\ question|it|this)\b|print\ (?:out|a\ copy)\b|
        escrib[ae]\ (?:sus?|una?\ (?!palabra|frase|texto|respuesta)\w+)\b|
        firm[ae]\ (?:el|la|en|su)\b|repit[ae]\ la\ pregunta\b
    ){_AND_NO_WORDS}""",
)
_ORDINARY_DUTY: Final = (
    r"(?:say|decir)\ (?:who|what|when|where|why|how|quien|cuando|donde|como)\b(?!.*[:\"“”«»])",
    rf"{_SPEAK}\ (?:your|their|his|her|every|each|all|any|tu|su|cada|tod[oa]s)\b{_AND_NO_WORDS}",
    rf"{_SPEAK}\ \w+ly\ (?:when|if|in|to|before)\b{_AND_NO_WORDS}",
    r"say\ the\ truth\b|decir\ la\ verdad\b",
    rf"(?:answer|responder|contestar)\ (?:the|el|l[ao]s?)\b{_AND_NO_WORDS}",
)
_ORDINARY_ENCLOSURE: Final = (
    r"\w+\ (?:with|con)\ the\ (?:\w+\ )?(?:letter|form|template|leaflet)\b(?!.*[:\"“”«»])",
    r"\w+\ (?:siempre\ )?con\ (?:la\ verdad|cortesia|amabilidad)\b",
    r"""\w+\ (?:with|con)\ (?:your|their|his|her|an?|tu|su|una?)\s
        (?!(?:single|short|one|word|phrase|string|sentence|text|link|number|palabra|frase|cadena|
        texto|enlace|numero)\b)\w+(?!.*[:\"“”«»])""",
    r"\w+\ (?:with|con)\ (?:your|tu|su)\ (?:\w+\ )?(?:number|name|numero|nombre)\b(?!.*[:\"“”«»])",
)
_ORDINARY_FORM: Final = (
    rf"\w+\ (?:each|every|cada)\ {_REPLY}\ (?:on|in|en)\ (?:an?|una?)\ (?:new|separate|nueva)\b",
    r"""\w+\ (?:the|your|an?|el|la|tu|su|una?)\ (?:\w+\ )?
        (?:number|name|date|address|reference|badge|signature|postcode|numero|nombre|fecha|direccion|
        referencia|firma|answers?|reply|response|respuestas?)
        (?:\ de\ \w+)?\ (?:in|on|at|to|below|en|al|abajo|(?:with|con)\ (?:your|tu|su))\b
        (?!.*\b(?:every|each|all|cada|todas)\b)(?!.*(?:[:\"“”«»]|\bword\b|\bpalabra\b))""",
)
_ORDINARY_RULE_FOR_REPLIES: Final = (
    r"""(?:your|tu)\ \w+\ (?:must|should|debe)\ (?:state|give|quote|show|include|indicar|incluir)\s
        (?:the|your|an?|el|la|tu|su|una?)\ (?:\w+\ )?(?:number|name|date|address|reference|
        signature|numero|nombre|fecha|direccion|referencia|firma)\b(?!.*[:\"“”«»])""",
    r"(?:your|tu)\ \w+\ (?:must|should)\ be\ no\ \w+\ than\b",
    r"""(?:your|tu)\ \w+\ (?:is|must|should|es|debe)\ (?:
        be\ (?:in|sent|given|received|signed|no|at|made|submitted|written|returned)|
        reach|arrive|within|due|important|required|voluntary|confidential|wrong|right|correct|
        incorrect|ser\ por\ escrito|llegar|importante|voluntaria|correcta|incorrecta
    )\b(?!.*[:\"“”«»])""",
)

TELLINGS: Final = (
    # what to say to whoever asks
    Telling(
        opening=_pattern(
            r"""\b(?:if|when|whenever)\ (?:you\ are\ asked|
            (?:somebody|someone|anybody|anyone|people|users?|the\ user)\ asks?)\b""",
            r"""\b(?:if|when|whenever)\ asked\b(?=.{0,120}?[,;:]\s*(?:please\ |just\ |simply\ )?
            \b(?:say|answer|reply|respond|print|write|tell))""",
            r"""\b(?:si|cuando)\ (?:(?:alguien|el\ usuario|los\ usuarios|la\ gente)\ )?
            (?:te\ |le\ |nos\ )?pregunt\w+\b""",
        ),
        verb=_pattern(_SPEAK),
        ordinary=_pattern(*_ORDINARY_SPEECH, *_ORDINARY_ENCLOSURE),
        reach=160,
    ),
    Telling(
        opening=_pattern(
            r"""\b(?:you\ must|you\ shall|debes|tienes\ que|you\ are\ (?:required|to)|
            it\ is\ (?:important|vital|essential|crucial)\ that\ you|make\ sure\ (?:that\ )?you)\s
            (?:always\ |only\ |siempre\ |solo\ )?"""
        ),
        verb=_pattern(r"(?:answer|reply|respond|say|responder|contestar|decir)\b"),
        ordinary=_pattern(*_ORDINARY_SPEECH, *_ORDINARY_DUTY, *_ORDINARY_ENCLOSURE),
    ),
    # words that are to be answered with
    Telling(
        opening=_pattern(r"(?:^|[.,:;!?\n>*|]\s?|\b(?:please|must|por\ favor|debes),?\ )"),
        verb=_pattern(
            r"""(?:answer|reply|respond|responde|contesta|responder|contestar)\s+(?:only\ |just\ |
            solely\ |always\ |solo\ |solamente\ |unicamente\ |siempre\ )?(?:with|con)\b"""
        ),
        ordinary=_pattern(*_ORDINARY_ENCLOSURE),
    ),
    # what is to stand in the answer
    Telling(
        verb=_pattern(
            rf"""(?<!can\ )(?<!could\ )(?<!may\ )(?<!puedes\ )(?:{_SPEAK}|{_PUT}).{{0,60}}?\b(?:
            every|each|your|all|cada|tus?|todas\ (?:las|tus))\ {_REPLY}\b
            (?!\ (?:sheets?|books?|papers?|box(?:es)?|forms?|cards?|keys?|slips?|del\ examen)\b)"""
        ),
        ordinary=_pattern(*_ORDINARY_FORM),
    ),
    Telling(
        verb=_pattern(
            rf"""\b(?:your|the\ only\ correct|the\ only\ right|tu|la\ unica)\ {_REPLY}
            (?:\ correcta)?\ (?:is|must|should|es|debe)\b"""
        ),
        ordinary=_pattern(*_ORDINARY_RULE_FOR_REPLIES),
    ),
    Telling(
        opening=_pattern(
            r"""\b(?:the|this|el|este)\ (?:model|assistant|(?:chat)?bot|ai|modelo|asistente)\s
            (?:must|should|shall|is\ to|debe|tiene\ que)\s"""
        ),
        verb=_pattern(r"(?:output|say|answer|reply|respond|print|decir|responder|contestar)\b"),
        ordinary=_pattern(*_ORDINARY_SPEECH, *_ORDINARY_DUTY),
    ),
    Telling(
        verb=_pattern(
            rf"""\b(?:make\ sure|ensure|be\ sure|asegurate|asegurese)\ (?:that\ |de\ que\ )?
            (?:the|your|every|each|all|tu|la|cada)\ {_REPLY}\b.{{0,60}}?\b(?:
            contains?|includes?|mentions?|says?|ends?|begins?|starts?|contenga|incluya|mencione|diga|termine|empiece)\b"""
        ),
        ordinary=_pattern(
            r""".{0,60}?\b(?:contains?|includes?|mentions?)\ (?:the|your|an?|all)\s
            (?!word|phrase|link|name|brand)\w+(?!.*[:\"“”«»])"""
        ),
    ),
)
"""Commands that only a question about what to say may be answered with."""

ANSWERS_TO_A_QUESTION: Final = _pattern(
    rf"""(?:^|[.,:;!?\n>*|]\s?|\b(?:and|y)\ )(?:to\ the\ question|a\ la\ pregunta)\b
    .{{0,160}}?(?<!the\ )(?<!an\ )(?<!other\ ){_SPEAK}
    (?!\ (?:el|la)\ (?!palabra|frase|respuesta))""",
    r"""\b(?:whoever|anyone\ who|everyone\ who|quien(?:es)?)\ (?:asks?|pregunten?)\b.{0,100}?
    \b(?:be\ told|be\ answered|deben?\b|hay\ que)""",
    r"\b(?:all|any|every|each)\ questions?\b.{0,80}?\bbe\ answered\ with\b",
    rf"""\bthe\ (?:only\ )?(?:correct|right|proper)\ {_REPLY}\ to\ (?:any|every|all|each)\s
        questions?\b""",
)

# A machine that is told to speak; one of which it is told that it speaks is none.
_CALLED: Final = rf"""{_MACHINE}(?:
    (?!\b(?:can|could|may|might|will|able|often|usually|pueden?|podrian?|suelen?)\b)[^,.:;!?–-]
){{0,60}}[,.:;!?–-]\s*(?:please,?\ |always\ |now\ |then\ |por\ favor,?\ |siempre\ |ahora\ )?"""  # noqa: RUF001 - a real dash
_OBLIGED: Final = rf"""{_MACHINE}.{{0,80}}?\b(?:
    must|should|shall|needs?\ to|ha(?:s|ve)\ to|(?:is|are)\ (?:required\ |supposed\ )?to|
    please|always|debes?n?|
    deberian?|deberias|tienen?\ que|tienes\ que|por\ favor|siempre
)\ (?:\w+ly\ )?"""

OVERRIDES: Final = _pattern(
    rf"{_CONTROL}.{{0,60}}?(?:{_SPEAK}|{_PUT})",
    r"(?:^|\n)[\s>\#*|-]*(?:assistant|asistente)[:,]",
    r"""\b(?:hey|hi|hello|dear|hola)\ (?:\w+\ )?(?:assistant|ai|(?:chat)?bot|asistente|ia)\b
        (?!\ (?:manager|professor|director|teacher|nurse|editor))""",
    r"""(?:^|\n)[\s>\#*|-]*(?:(?:new|nuevas)\ (?:system|sistema|instructions?|instruccion(?:es)?)|
        (?:system|sistema)\ (?:prompt|message)):""",
    r"(?:^|\n)[\s>\#*|-]*(?:system|sistema):",
    rf"""(?:^|\n)[\s>\#*|-]*(?:instructions?|instruccion(?:es)?):.{{0,20}}?
        (?:{_SPEAK}|you\ are\b|eres\b)""",
    rf"""{_DISREGARD}\ {_WHICH}(?:instructions?|instruccion(?:es)?|guidelines?|directrices|prompts?|
        passages?|pasajes?|directions|orders|directives|ordenes)\b""",
    rf"""{_DISREGARD}\ (?:what|everything|all|anything|lo|todo)\ (?:that\ |lo\ )?(?:que\ )?
        (?:you|te)\b""",
    rf"{_DISREGARD}.{{0,20}}?\b(?:your|tus?)\ (?:\w+\ )?(?:rules?|reglas?)\b",
    rf"""{_DISREGARD}.{{0,20}}?\b(?:rules?|reglas?)\ (?:above|before|that\ you|you\ (?:were|have)|
        que\ te|que\ tenias|de\ arriba|anteriores)\b""",
    rf"""{_DISREGARD}.{{0,20}}?\b(?:text|texto|everything|todo|what|lo|all|anything)\s
        (?:\w+\ ){{0,3}}?(?:above|before|anterior|previo|arriba)\b""",
    rf"{_DISREGARD}\ (?:the\ |lo\ )?(?:above|anterior)\b",
    rf"""{_DISREGARD}\ {_WHICH}(?:context|conversation|documents|sources|contexto|conversacion|
        documentos|fuentes)\b""",
    r"\b(?:stop\ reading|dej[ae]\ de\ leer)\ (?:here|aqui)\b",
    rf"(?:{_CALLED}|{_OBLIGED}){_SPEAK}",
    rf"{_SPEAK}.{{0,20}}?\b(?:your|tu)\ {_MACHINE}",
    r"""\b(?:you\ are|eres)\ (?:now\ |ahora\ )?(?:an?|una?)\ (?:\w+\ )?
        (?:assistant(?!\ (?:manager|professor|director|teacher|nurse|editor))|(?:chat)?bot|ai|
        asistente|ia)\b""",
    r"""\b(?:your\ (?:new|only|sole|real)\ (?:task|job|role|goal|purpose|instruction)|
        tu\ (?:nueva|unica|verdadera)\ (?:tarea|mision|instruccion))\b""",
    r"""\b(?:do\ not|don't|never|no)\ (?:answer|use|respond|respondas|uses)\s
        (?:from\ |with\ |con\ |desde\ )?
        (?:the\ |these\ |los\ |las\ |estos\ )?(?:documents|passages|context|sources|documentos|
        pasajes|contexto|fuentes)\b""",
    r"""\b(?:from\ now\ on,?\ you\ are\b(?!\ (?:entitled|allowed|able|required|free|not))|
        you\ are\ now\ in\ \w+\ mode|
        a\ partir\ de\ ahora,?\ (?:eres|respond)|ahora\ (?:eres|estas\ en\ modo)|
        repeat\ after\ me|repite\ conmigo)\b""",
)
"""Control tokens and roles, rules to be ignored, a machine that is told to say something."""

ABOUT_RULES: Final = _pattern(
    _MACHINE,
    r"""\b(?:prompts?|instructions?|instruccion(?:es)?|injections?|inyeccion(?:es)?|tokens?)\b""",
)
"""Questions that are about such rules themselves."""

ABOUT_WORDS: Final = _pattern(_SPEAK)
"""Questions that are about what to say."""
