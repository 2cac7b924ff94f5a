// The panel beside the chat: the words that a sentence rests on, and the document around them.

import { type ReactNode, useEffect, useRef } from "react";
import { useWords } from "../i18n/language";
import { Link } from "../lib/router";
import { useStore } from "../lib/store";
import { useMedia } from "../lib/use";
import { Boundary } from "../ui/boundary";
import { IconButton } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { contentAddress } from "./documents";
import { closeEvidence, openEvidence, type Place, samePlace, stepEvidence } from "./evidence";
import { Support } from "./support";
import { Viewer } from "./viewer";

const BESIDE = "(min-width: 1080px)";

export function EvidencePanel(): ReactNode {
  const t = useWords();
  const open = useStore(openEvidence);
  const isBeside = useMedia(BESIDE);
  // another page has no answer that this could belong to
  useEffect(() => () => openEvidence.set(null), []);
  if (!open) return null;
  const at = open.places.findIndex((place) => samePlace(place, open.place));
  const content = <Content place={open.place} at={at} total={open.places.length} />;
  if (!isBeside) {
    return (
      <Dialog isOpen onClose={closeEvidence} title={t("evidence")} place="bottom">
        <div className="evidence in-dialog">{content}</div>
      </Dialog>
    );
  }
  return <Beside place={open.place}>{content}</Beside>;
}

function Beside({ place, children }: { place: Place; children: ReactNode }): ReactNode {
  const t = useWords();
  const head = useRef<HTMLHeadingElement>(null);
  const key = `${place.documentId}@${place.version}:${place.start}`;
  useEffect(() => head.current?.focus({ preventScroll: true }), [key]);
  return (
    <section className="evidence" aria-label={t("evidence")}>
      <header className="panel-head">
        <h2 ref={head} tabIndex={-1}>
          {t("evidence")}
        </h2>
        <IconButton icon="close" label={t("close")} onClick={closeEvidence} />
      </header>
      {children}
    </section>
  );
}

function Content({ place, at, total }: { place: Place; at: number; total: number }): ReactNode {
  const t = useWords();
  const where = [
    place.page === null ? null : t("page", { n: place.page }),
    place.heading || null,
    place.version > 1 ? t("version", { n: place.version }) : null,
  ].filter(Boolean);
  return (
    <>
      <div className="evidence-head">
        {place.cited && <span className="chip still">{place.cited.n}</span>}
        <div className="evidence-name">
          <h3>
            <Link to={{ name: "document", id: place.documentId, version: place.version }}>{place.documentName}</Link>
          </h3>
          {where.length > 0 && <p className="quiet small">{where.join(" · ")}</p>}
          {place.cited && <Support value={place.cited.support} />}
        </div>
        {total > 1 && (
          <div className="steps">
            <IconButton icon="branchLeft" label={t("sourceBefore")} disabled={at <= 0} onClick={() => stepEvidence(-1)} />
            <IconButton
              icon="branchRight"
              label={t("sourceAfter")}
              disabled={at >= total - 1}
              onClick={() => stepEvidence(1)}
            />
          </div>
        )}
      </div>
      {place.cited && <blockquote className="evidence-quote">{place.quote.trim()}</blockquote>}
      <div className="evidence-body">
        <Boundary key={place.documentId}>
          <Viewer place={place} />
        </Boundary>
      </div>
      <a className="evidence-download" href={contentAddress(place.documentId, place.version)} download="">
        <Icon name="download" size={16} />
        {t("download")}
      </a>
    </>
  );
}
