// A document at a place: its page where it is a PDF, its text where it is not.

import { lazy, type ReactNode, Suspense } from "react";
import { Loading } from "../ui/states";
import type { Place } from "./evidence";
import { TextView } from "./text-view";

// pdf.js is larger than all the rest: it comes when a PDF is opened
const PdfView = lazy(async () => ({ default: (await import("./pdf-view")).PdfView }));

export function Viewer({ place }: { place: Place }): ReactNode {
  const mark = { start: place.start, end: place.end };
  if (place.page === null || !place.boxes.length) {
    return <TextView documentId={place.documentId} version={place.version} mark={mark} />;
  }
  return (
    <Suspense fallback={<Loading />}>
      <PdfView
        documentId={place.documentId}
        version={place.version}
        page={place.boxes[0]?.page ?? place.page}
        boxes={place.boxes}
        mark={mark}
      />
    </Suspense>
  );
}

export { PdfView };
