// The documents that an answer rests on, each once, below it.

import type { ReactNode } from "react";
import { openEvidence, type Place, samePlace, showEvidence } from "../evidence/evidence";
import { useWords } from "../i18n/language";
import { useStore } from "../lib/store";

export function Sources({ places }: { places: readonly Place[] }): ReactNode {
  const t = useWords();
  const open = useStore(openEvidence);
  if (!places.length) return null;
  return (
    <ul className="sources" aria-label={t("sources")}>
      {places.map((place) => (
        <li key={`${place.cited?.n}`}>
          <button
            type="button"
            className="source"
            aria-current={(open !== null && samePlace(open.place, place)) || undefined}
            onClick={() => showEvidence(place, places)}
          >
            <span className="chip still">{place.cited?.n}</span>
            <span className="clipped">{place.documentName}</span>
            {place.page !== null && <span className="quiet small">{t("page", { n: place.page })}</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}
