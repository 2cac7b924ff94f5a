"""Claims: a wrong number, date or name or a lost "not" is told; a quote lacks nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.citations import check_text
from generation.claims import missing_claims
from generation.evidence import Evidence
from generation.quoting import as_read
from tests.unit.generation.passages import make_passage, odd_texts

BRIDGE = "The bridge was opened on 3 May 1932 by Anna Keller and cost 1.5 million pounds."
PUENTE = "El puente, que no admite camiones, lo abrió Ana Pérez el 3 de mayo de 1932 por 12 euros."
SHOP = "The shop takes cash, but it does not accept cards, and nobody may enter without a ticket."

claims_of_odd_texts = st.one_of(odd_texts(), st.text(alphabet="not no sin ABab.,1 234may \n"))


@given(claims_of_odd_texts)
def test_no_text_lacks_a_claim_of_its_own(text: str) -> None:
    assert missing_claims(text, text) == []


@given(claims_of_odd_texts, claims_of_odd_texts)
def test_any_two_texts_can_be_compared(sentence: str, span: str) -> None:
    assert all(missing.text for missing in missing_claims(sentence, span))


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("The bridge was opened in 1933.", "number"),
        ("The bridge cost 15 million pounds.", "number"),
        ("The bridge cost 1.5 thousand pounds.", "number"),
        ("The bridge cost two million pounds.", "number"),
        ("The bridge was opened on 4 May 1932.", "date"),
        ("The bridge was opened on 3 June 1932.", "date"),
        ("The bridge was opened on May 3, 1933.", "date"),
        ("The bridge was opened in June 1932.", "date"),
        ("The bridge was opened in April.", "date"),
        ("The bridge was opened by Anna Miller.", "name"),
        ("The bridge was opened by Keller and Weber.", "name"),
        ("Weber opened the bridge.", "name"),
        ("The bridge was not opened by Anna Keller.", "negation"),
        ("The bridge was opened without Anna Keller.", "negation"),
    ],
)
def test_what_was_falsified_in_english_is_told(sentence: str, kind: str) -> None:
    assert kind in {missing.kind for missing in missing_claims(sentence, BRIDGE)}


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("El puente se abrió en 1933.", "number"),
        ("El puente costó trece euros.", "number"),
        ("El puente se abrió el 3 de junio de 1932.", "date"),
        ("El puente se abrió en junio.", "date"),
        ("Al puente lo abrió Ana Gómez.", "name"),
        ("García abrió el puente.", "name"),
        ("El puente admite camiones.", "negation"),
        ("El puente nunca lo abrió Ana Pérez.", "negation"),
        ("El puente lo abrió Ana Pérez sin camiones ni euros.", "negation"),
    ],
)
def test_what_was_falsified_in_spanish_is_told(sentence: str, kind: str) -> None:
    assert kind in {missing.kind for missing in missing_claims(sentence, PUENTE)}


@pytest.mark.parametrize(
    ("sentence", "span"),
    [
        ("The bridge opened on May 3, 1932.", BRIDGE),
        ("In May the bridge was opened.", BRIDGE),
        ("The bridge was opened in 1932.", BRIDGE),
        ("The bridge cost 1,500,000 pounds.", BRIDGE),
        ("Opened by Keller, the bridge cost a lot.", BRIDGE),
        ("The bridge was opened on 1932-05-03.", BRIDGE),
        ("On 3 May 2019 it closed.", "It closed (2019-05-03)."),
        ("It closed on 3 May 2019.", "In 2019, the house closed on 3 May."),
        ("El puente se abrió en mayo de 1932.", PUENTE),
        ("El puente no admite camiones.", PUENTE),
        ("Lo abrió por doce euros.", PUENTE),
        ("The shop doesn't accept cards.", SHOP),
        ("The shop cannot accept cards.", SHOP),
        ("The shop takes cash.", SHOP),
        ("The NFL lost.", "The National Football League lost."),
        ("Not only cash is taken.", "Cash is taken."),
        ("Sin embargo, se abrió.", "Se abrió."),
        ("It has 3 doors, no. 5 is shut.", "It has three doors, and number 5 is shut."),
    ],
)
def test_the_same_in_other_words_lacks_nothing(sentence: str, span: str) -> None:
    assert missing_claims(sentence, span) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The shop accepts cards.",
        "The shop takes cash and accepts cards.",
        "The shop does accept cards.",
        "Somebody may enter without cards and a ticket; accept cards.",
    ],
)
def test_a_lost_negation_is_told(sentence: str) -> None:
    assert "negation" in {missing.kind for missing in missing_claims(sentence, SHOP)}


def test_one_negation_does_not_stand_for_another() -> None:
    span = "It may not be used without a permit."

    assert missing_claims("It may be used without a permit.", span) != []
    assert missing_claims("It may not be used with a permit.", span) != []


@pytest.mark.parametrize(
    "falsified",
    [
        BRIDGE.replace("1932", "1942"),
        BRIDGE.replace("3 May", "3 July"),
        BRIDGE.replace("Keller", "Miller"),
        BRIDGE.replace("was opened", "was not opened"),
        BRIDGE.replace("1.5 million", "1.5 billion"),
    ],
)
def test_a_falsified_sentence_gets_no_citation_though_nearly_all_its_words_are_there(
    falsified: str,
) -> None:
    span = Evidence(make_passage(BRIDGE), 0, len(BRIDGE), BRIDGE)

    assert check_text(BRIDGE, [span]).num_supported == 1
    assert check_text(falsified, [span]).num_supported == 0


def test_a_number_word_after_a_date_in_digits_is_told_where_it_is_another() -> None:
    span = "El 10.12.2024 nueve personas cruzaron el puente."
    falsified = span.replace("nueve", "cinco")

    assert [missing.kind for missing in missing_claims(falsified, span)] == ["number"]
    evidence = Evidence(make_passage(span), 0, len(span), span)
    assert check_text(falsified, [evidence]).num_supported == 0


@given(odd_texts())
def test_a_quote_is_never_held_back(text: str) -> None:
    read = as_read(text)
    if read:
        span = Evidence(make_passage(text), 0, len(text), text)
        assert check_text(read, [span]).num_supported == 1


@pytest.mark.parametrize(
    ("sentence", "span"),
    [
        ("Queen Isabel I opened it.", "Queen Isabel II opened it."),
        ("La abrió la reina Isabel I.", "La abrió la reina Isabel II."),
        ("The George V Bridge is shut.", "The George IV Bridge is shut."),
    ],
)
def test_another_number_of_the_same_name_is_another_name(sentence: str, span: str) -> None:
    assert [missing.kind for missing in missing_claims(sentence, span)] == ["name"]


def test_the_word_for_oneself_is_no_number_of_a_name() -> None:
    assert missing_claims("Then I left.", "Then he left.") == []
