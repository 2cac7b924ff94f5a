// The documents do not hold the answer: that is said, and what came nearest is shown.

import type { ReactNode } from "react";
import { AnswerText } from "../answer/answer-text";
import { PlaceName } from "../answer/citation-chip";
import { plainWords } from "../answer/markdown";
import { call } from "../api/client";
import type { Passage } from "../api/types";
import { openEvidence, placeOfPassage, samePlace, showEvidence } from "../evidence/evidence";
import { useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import { shortened } from "../lib/text";
import { useLoaded } from "../lib/use";
import { Failed, Loading } from "../ui/states";
import { Tag } from "./notes";
import type { Shown } from "./thread";

const MAX_SHOWN = 4;
const SNIPPET_CHARS = 240;

export function Refusal({ turn }: { turn: Shown }): ReactNode {
  const t = useWords();
  return (
    <>
      <Tag text={t("refused")} />
      {turn.text && <AnswerText text={turn.text} />}
      {turn.passages ? <Nearest passages={turn.passages} /> : <FetchedNearest answerId={turn.id} />}
    </>
  );
}

/** Of an answer from before, only the service has the passages. */
function FetchedNearest({ answerId }: { answerId: string }): ReactNode {
  const loaded = useLoaded(answerId, (signal) =>
    call("get", "/v1/answers/{answer_id}", { params: { answer_id: answerId }, signal }),
  );
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  return <Nearest passages={loaded.value.passages} />;
}

function Nearest({ passages }: { passages: readonly Passage[] }): ReactNode {
  const t = useWords();
  const open = useStore(openEvidence);
  if (!passages.length) return <p className="quiet">{t("nothing")}</p>;
  const places = passages.slice(0, MAX_SHOWN).map(placeOfPassage);
  return (
    <section className="nearest">
      <h3>{t("nearest")}</h3>
      <ul>
        {places.map((place) => (
          <li key={`${place.documentId}-${place.version}-${place.start}`}>
            <button
              type="button"
              className="near"
              aria-current={(open !== null && samePlace(open.place, place)) || undefined}
              onClick={() => showEvidence(place, places)}
            >
              <PlaceName place={place} />
              <span className="near-text">{shortened(plainWords(place.quote), SNIPPET_CHARS)}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
