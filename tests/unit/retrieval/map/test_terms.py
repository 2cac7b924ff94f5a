"""Clusters are named by what tells them from the rest, in the language of their texts."""

from retrieval.map.terms import Text, name_clusters


def english(*texts: str) -> list[Text]:
    return [Text(text, "en") for text in texts]


def test_a_word_that_all_clusters_have_names_none() -> None:
    rivers = english("the river report floods", "a river report", "river and banks report")
    bridges = english("the bridge report", "bridge report of steel", "a bridge report")

    named = name_clusters([rivers, bridges])

    assert named[0][0] == "river"
    assert named[1][0] == "bridge"
    assert all("report" not in terms for terms in named)


def test_forms_of_a_word_count_as_one_in_its_commonest_spelling() -> None:
    canals = english("canals flow", "canals sleep", "canal boats")

    (terms, _) = name_clusters([canals, english("cats", "dogs", "birds")])

    assert terms[0] == "canals"
    assert "canal" not in terms


def test_words_of_the_grammar_and_of_another_language_do_not_name() -> None:
    spanish = [Text(text, "es") for text in ("el río está aquí", "los ríos de la región", "un río")]
    more = [Text(text, "es") for text in ("el puente", "los puentes de la ciudad", "un puente")]

    named = name_clusters([spanish, more, english("the bridge", "a bridge", "this bridge")])

    assert named[0][0] == "río"
    assert named[1][0].startswith("puente")
    assert {"el", "los", "de", "la", "un", "está"}.isdisjoint(named[0] + named[1])


def test_texts_without_words_have_no_name() -> None:
    assert name_clusters([english("12 34", "--"), []]) == [(), ()]


def test_names_do_not_depend_on_the_order_of_texts() -> None:
    texts = english("alpha beta", "beta gamma", "gamma alpha")
    rest = english("delta", "epsilon", "delta epsilon")

    assert name_clusters([texts, rest]) == name_clusters([texts[::-1], rest[::-1]])
