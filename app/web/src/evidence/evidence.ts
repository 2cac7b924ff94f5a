// Which place of which document is open beside the chat. A citation and a passage are both places.

import type { Box, Citation, Passage } from "../api/types";
import { Store } from "../lib/store";

/** A slice of a version's text, and where it stands on its page. */
export interface Place {
  documentId: string;
  documentName: string;
  version: number;
  page: number | null;
  start: number;
  end: number;
  boxes: Box[];
  heading: string;
  quote: string;
  /** Number and support of a citation; null for a passage that was only found. */
  cited: { n: number; support: number } | null;
}

interface Open {
  place: Place;
  /** Other places of the same answer, to step through. */
  places: readonly Place[];
  opener: Element | null;
}

export const openEvidence = new Store<Open | null>(null);

export function placeOfCitation(citation: Citation, passages: readonly Passage[] = []): Place {
  const holder = passages.find(
    (passage) =>
      passage.document_id === citation.document_id &&
      passage.version === citation.version &&
      passage.start <= citation.start &&
      citation.end <= passage.end,
  );
  return {
    ...placeOf(citation),
    heading: holder?.heading ?? "",
    quote: citation.quote,
    cited: { n: citation.n, support: citation.support },
  };
}

export function placeOfPassage(passage: Passage): Place {
  return { ...placeOf(passage), heading: passage.heading, quote: passage.text, cited: null };
}

function placeOf(span: Citation | Passage): Omit<Place, "heading" | "quote" | "cited"> {
  return {
    documentId: span.document_id,
    documentName: span.document_name,
    version: span.version,
    page: span.page,
    start: span.start,
    end: span.end,
    boxes: span.boxes,
  };
}

export function samePlace(one: Place, other: Place): boolean {
  return (
    one.documentId === other.documentId &&
    one.version === other.version &&
    one.start === other.start &&
    one.end === other.end &&
    one.cited?.n === other.cited?.n
  );
}

export function showEvidence(place: Place, places: readonly Place[]): void {
  openEvidence.set({ place, places, opener: document.activeElement });
}

/** Step to another place of the same answer; focus still goes back to where it came from. */
export function stepEvidence(by: number): void {
  openEvidence.update((open) => {
    if (!open) return open;
    const at = open.places.findIndex((place) => samePlace(place, open.place));
    const place = open.places[at + by];
    return place ? { ...open, place } : open;
  });
}

export function closeEvidence(): void {
  const opener = openEvidence.get()?.opener;
  // an answer is drawn anew when it has been stored: then the number that is marked stands for the old one
  const back = opener?.isConnected ? opener : document.querySelector(".exchange .chip[aria-current]");
  openEvidence.set(null);
  if (back instanceof HTMLElement) back.focus();
}
