"""Write the examples that the default reader learns from, as `cimiento train reader` reads them.

    python -m benchmarks.reader_data --data DATA --out FILE [--brief] [--english SHARE]
        [--plain FILE]

`--brief` is for a run of some hours on a core or two: of English mostly the passages that much is
asked of, for questions of one passage are learnt together; and passages that little or nothing is
asked of are cut to some sentences, as long as the service's own.

`--english` leaves English out at random, for a run that would not reach the end of it.

Passages come with their questions, with questions that they nearly answer, and often among other
passages that the question also finds. Articles that are reported on are not read at all. `--plain`
writes paragraphs of both languages beside it, for a run to rehearse.
"""

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.reader_articles import SEED, split_articles
from benchmarks.reader_mining import Finder, Paragraph, open_finder, twist
from benchmarks.reader_sources import Ground, gather, read_english
from generation.sentences import split_sentences
from generation.spans import find_span

_TOP_K: Final = 6
_MAX_ASKED: Final = {"en": 5, "es": 8}  # of one passage: Spanish is thin
_MAX_GIVEN: Final = 2
_MAX_DISTRACTOR_CHARS: Final = 900
# how many other passages stand beside the right one, and how often
_NUM_OTHERS: Final = (0, 1, 2, 3, 4)
_SHARES: Final = (0.62, 0.14, 0.10, 0.07, 0.07)
_TWISTED: Final = 0.15  # of passages that have no near miss of their own
_MINED: Final = 0.35  # of passages that other passages' questions find
_ONLY_MISSED: Final = 0.2  # of English passages that answer none of their questions
_WITHOUT_GOLD: Final = 0.04
_NUM_PLAIN: Final = 1500  # paragraphs of each language
_NUM_DEV: Final = 60  # passages to judge by, of each language
# of `--brief`: English passages that are kept, by how many questions are asked; four or more: all
_KEPT: Final = (0.0, 0.1, 0.15, 0.6)
_WHOLE: Final = 0.25  # of passages that are not cut
_FEW: Final = 3  # questions: a passage that more are asked of is not cut
_MAX_SENTENCES: Final = 4  # that are left of a passage, but for those that answer
_BRIEF_SHARES: Final = (0.45, 0.2, 0.15, 0.1, 0.1)  # as `_SHARES`: other passages are short
# the same of passages that were cut from one text with others: those mislead most
_SIBLING_SHARES: Final = (0.15, 0.15, 0.2, 0.2, 0.3)
_WITH_SIBLINGS: Final = ("XQuAD", "made from", "FairytaleQA")  # in the name of their set
# how often a passage is seen, each time among others: Spanish is thin, and so is XQuAD
_TIMES: Final = {"en": 1, "es": 3}
_XQUAD_TIMES: Final = 3

Row = dict[str, Any]


def main() -> None:
    """Gather, mine, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--brief", action="store_true", help="what a short run can read")
    parser.add_argument("--english", type=float, default=1.0, help="share of it that is kept")
    parser.add_argument("--plain", type=Path, help="file for text to rehearse")
    options = parser.parse_args()
    articles = split_articles(options.data)
    grounds = choose_development(list(gather(options.data, articles, seed=SEED)))
    pool = {p.text: p for p in read_english(options.data, articles)}
    pool |= {ground.paragraph.text: ground.paragraph for ground in grounds}
    counts = Counter[str]()
    with open_finder(list(pool.values())) as finder, options.out.open("w", encoding="utf-8") as out:
        shares = _BRIEF_SHARES if options.brief else _SHARES
        rows = Builder(grounds, finder, shares).rows()
        rows = make_brief(rows) if options.brief else rows
        for row in keep_english(rows, options.english):
            counts[
                f"{row['split']} {row['language']} {'answer' if row['answer'] else 'refusal'}"
            ] += 1
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    if options.plain:
        write_plain(list(pool.values()), options.plain)
    for name, number in sorted(counts.items()):
        print(f"{name:<24} {number:>7,}")


def write_plain(paragraphs: Sequence[Paragraph], path: Path) -> None:
    """As many paragraphs of each language, drawn at random."""
    rng = random.Random(SEED)  # noqa: S311  # an order, no secret
    with path.open("w", encoding="utf-8") as out:
        for language in ("en", "es"):
            of_language = [item.text for item in paragraphs if item.language == language]
            for text in rng.sample(of_language, min(_NUM_PLAIN, len(of_language))):
                out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def choose_development(grounds: Sequence[Ground]) -> list[Ground]:
    """Mark a few English passages to judge by, and drop Spanish ones that are more than a few."""
    rng = random.Random(SEED)  # noqa: S311  # an order, no secret
    english = [
        ground
        for ground in grounds
        if ground.paragraph.language == "en" and ground.asked and "made" not in ground.origin
    ]
    for ground in rng.sample(english, min(_NUM_DEV, len(english) // 10)):
        ground.split = "dev"
    spanish = [g for g in grounds if g.paragraph.language == "es" and g.split == "dev"]
    dropped = set(map(id, rng.sample(spanish, max(0, len(spanish) - _NUM_DEV))))
    return [ground for ground in grounds if id(ground) not in dropped]


def make_brief(rows: Iterable[Row]) -> Iterator[Row]:
    """All that is Spanish or to judge by, and of English mostly what is asked together; cut."""
    rng = random.Random(SEED)  # noqa: S311  # an order, no secret
    by_passages: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        by_passages[tuple(passage["text"] for passage in row["passages"])].append(row)
    for texts, alike in by_passages.items():
        first, number = alike[0], len(alike)
        always = number >= len(_KEPT) or first["language"] == "es" or first["split"] == "dev"
        if always or rng.random() < _KEPT[number]:
            answers = [row["answer"] for row in alike if row["answer"] is not None]
            cut = {text: cut_around(answers, text, rng) for text in texts}
            for row in alike:
                passages = [{**item, "text": cut[item["text"]]} for item in row["passages"]]
                yield row | {"passages": passages}


def keep_english(rows: Iterable[Row], share: float) -> Iterator[Row]:
    """This share of the English lines to learn from, and all others: Spanish is thin."""
    rng = random.Random(SEED)  # noqa: S311  # an order, no secret
    for row in rows:
        is_spare = row["language"] == "en" and row["split"] == "learn"
        if not is_spare or rng.random() < share:
            yield row


def cut_around(answers: Sequence[str], text: str, rng: random.Random) -> str:
    """Some sentences of a text, those that hold an answer among them; sometimes all.

    A text that many answers stand in is left whole.
    """
    held = [answer for answer in answers if find_span(answer, text) is not None]
    sentences = list(split_sentences(text))
    if len(held) > _FEW or len(sentences) < 2 or rng.random() < _WHOLE:
        return text
    number = rng.randint(1, _MAX_SENTENCES)
    holding = [_sentence_of(answer, text, sentences) for answer in held]
    if None in holding:  # it goes over the end of a sentence
        return text
    places = [place for place in holding if place is not None]
    places = places or [rng.randrange(len(sentences))]
    spare = max(0, number - (max(places) - min(places) + 1))
    before = rng.randint(0, spare)
    first = max(0, min(places) - before)
    last = min(len(sentences) - 1, max(places) + spare - before)
    return text[sentences[first][0] : sentences[last][1]]


def _sentence_of(answer: str, text: str, sentences: Sequence[tuple[int, int]]) -> int | None:
    """The first sentence that holds the answer."""
    holding = (
        place
        for place, (start, end) in enumerate(sentences)
        if find_span(answer, text[start:end]) is not None
    )
    return next(holding, None)


class Builder:
    """Turns passages with their questions into lines."""

    def __init__(
        self, grounds: Sequence[Ground], finder: Finder, shares: Sequence[float] = _SHARES
    ) -> None:
        self._grounds = grounds
        self._finder = finder
        self._shares = shares
        self._rng = random.Random(SEED)  # noqa: S311  # an order, no secret
        self._found: dict[str, list[Paragraph]] = {}

    def rows(self) -> Iterator[Row]:
        """All lines, the passages in random order."""
        mined = self._mine()
        grounds = list(self._grounds)
        self._rng.shuffle(grounds)
        for ground in grounds:
            is_english = ground.paragraph.language == "en"
            if is_english and not ground.asked and self._rng.random() > _ONLY_MISSED:
                continue
            near = self._near_misses(ground, mined[ground.paragraph.text])
            yield from self._rows_of(ground, near, self._choose_number(ground, at_least=0))
            for _again in range(1, _times(ground)):
                yield from self._rows_of(ground, near, self._choose_number(ground, at_least=1))
            if ground.asked and self._rng.random() < _WITHOUT_GOLD:
                yield from self._row_without_gold(ground)

    def _mine(self) -> Mapping[str, list[str]]:
        """Questions of other passages that find this one, which does not hold their answer."""
        mined: defaultdict[str, list[str]] = defaultdict(list)
        for ground in self._grounds:
            most = _MAX_ASKED[ground.paragraph.language]
            ground.asked = self._rng.sample(ground.asked, min(most, len(ground.asked)))
            for question, answer in ground.asked:
                found = self._finder.find(question, top_k=_TOP_K)
                self._found[question] = [
                    paragraph
                    for paragraph in found
                    if paragraph.text != ground.paragraph.text
                    if find_span(answer, paragraph.text) is None
                ]
                for paragraph in self._found[question][:2]:
                    if paragraph.language == ground.paragraph.language:
                        mined[paragraph.text].append(question)
        return mined

    def _choose_number(self, ground: Ground, *, at_least: int) -> int:
        has_siblings = any(name in ground.origin for name in _WITH_SIBLINGS)
        shares = _SIBLING_SHARES if has_siblings else self._shares
        (number,) = self._rng.choices(_NUM_OTHERS[at_least:], shares[at_least:])
        return number

    def _rows_of(self, ground: Ground, near: Sequence[str], num_others: int) -> Iterator[Row]:
        others = self._choose_others(ground)
        others = self._rng.sample(others, min(num_others, len(others)))
        passages = [ground.paragraph, *others]
        self._rng.shuffle(passages)
        for question, answer in ground.asked:
            yield self._row(ground, question, passages, answer)
        for question in near:
            yield self._row(ground, question, passages, None)

    def _near_misses(self, ground: Ground, mined: Sequence[str]) -> list[str]:
        given = self._rng.sample(ground.near_misses, min(_MAX_GIVEN, len(ground.near_misses)))
        chosen = list(given)
        if mined and self._rng.random() < _MINED:
            chosen.append(self._rng.choice(mined))
        if ground.asked and not ground.near_misses and self._rng.random() < _TWISTED:
            question, _answer = self._rng.choice(ground.asked)
            others = [paragraph.text for paragraph in self._found[question]]
            twisted = twist(
                question, ground.paragraph.text, others, ground.paragraph.language, self._rng
            )
            chosen += [twisted] if twisted else []
        return chosen

    def _choose_others(self, ground: Ground) -> list[Paragraph]:
        """Passages that its questions find too, none of which answers any of them."""
        found = [p for question, _ in ground.asked for p in self._found[question]]
        unique = {p.text: p for p in found if len(p.text) <= _MAX_DISTRACTOR_CHARS}
        return [
            paragraph
            for text, paragraph in unique.items()
            if all(find_span(answer, text) is None for _, answer in ground.asked)
        ]

    def _row_without_gold(self, ground: Ground) -> Iterator[Row]:
        question, _answer = self._rng.choice(ground.asked)
        passages = [p for p in self._found[question] if len(p.text) <= _MAX_DISTRACTOR_CHARS][:2]
        if passages:
            yield self._row(ground, question, passages, None)

    @staticmethod
    def _row(
        ground: Ground, question: str, passages: Sequence[Paragraph], answer: str | None
    ) -> Row:
        return {
            "question": question,
            "passages": [{"name": p.name, "text": p.text} for p in passages],
            "answer": answer,
            "language": ground.paragraph.language,
            "source": ground.origin,
            "licence": ground.licence,
            "split": ground.split,
        }


def _times(ground: Ground) -> int:
    """How often the passage is seen."""
    if ground.split == "dev":
        return 1
    times = _TIMES[ground.paragraph.language]
    return max(times, _XQUAD_TIMES) if ground.origin == "XQuAD" else times


if __name__ == "__main__":
    main()
