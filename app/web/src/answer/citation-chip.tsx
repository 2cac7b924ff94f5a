// The number of a source: hovering or focusing it shows the quote, pressing it opens the document.

import * as HoverCard from "@radix-ui/react-hover-card";
import { type ReactNode, useState } from "react";
import { openEvidence, type Place, samePlace, showEvidence } from "../evidence/evidence";
import { labelOf, levelOf, Support } from "../evidence/support";
import { useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import { shortened } from "../lib/text";
import { Icon } from "../ui/icon";
import { plainWords } from "./markdown";

const QUOTE_CHARS = 320;
const OPEN_AFTER_MS = 180;

export function CitationChip({ place, places }: { place: Place; places: readonly Place[] }): ReactNode {
  const t = useWords();
  const open = useStore(openEvidence);
  const isOpen = open !== null && samePlace(open.place, place);
  const { n, support } = place.cited ?? { n: 0, support: 1 };
  const [isShown, setShown] = useState(false);
  const label = t("cite", { n, name: place.documentName, support: t(labelOf(support)) });
  return (
    <HoverCard.Root open={isShown && !isOpen} onOpenChange={(show) => setShown(show && canHover())} openDelay={OPEN_AFTER_MS} closeDelay={100}>
      <HoverCard.Trigger asChild>
        <button
          type="button"
          className={`chip ${levelOf(support).name}`}
          aria-label={label}
          aria-current={isOpen || undefined}
          onClick={() => {
            setShown(false);
            showEvidence(place, places);
          }}
        >
          {n}
        </button>
      </HoverCard.Trigger>
      <HoverCard.Portal>
        <HoverCard.Content className="quote-card" side="top" sideOffset={8} collisionPadding={12}>
          <PlaceName place={place} />
          <blockquote>{shortened(plainWords(place.quote), QUOTE_CHARS)}</blockquote>
          <Support value={support} />
        </HoverCard.Content>
      </HoverCard.Portal>
    </HoverCard.Root>
  );
}

// a finger opens the source itself
function canHover(): boolean {
  return matchMedia("(hover: hover)").matches;
}

export function PlaceName({ place }: { place: Place }): ReactNode {
  const t = useWords();
  return (
    <span className="place-name">
      <Icon name="file" size={15} />
      <span className="clipped">{place.documentName}</span>
      {place.page !== null && <span className="quiet">{t("page", { n: place.page })}</span>}
    </span>
  );
}
