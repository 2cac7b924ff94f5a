// A page of a PDF with the rectangles of a place marked on it.

import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import type { Box } from "../api/types";
import { useWords } from "../i18n/language";
import { useLoaded } from "../lib/use";
import { IconButton } from "../ui/button";
import { Loading } from "../ui/states";
import { contentOf } from "./documents";
import { openPdf } from "./pdf";
import { TextView } from "./text-view";

const ZOOMS = [1, 1.4, 2, 2.8];
const MAX_PIXELS = 16_000_000;

interface Props {
  documentId: string;
  version: number;
  page: number;
  boxes: readonly Box[];
  mark: { start: number; end: number } | null;
}

export function PdfView({ documentId, version, page, boxes, mark }: Props): ReactNode {
  const t = useWords();
  const key = `${documentId}@${version}`;
  const loaded = useLoaded(key, () => openPdf(key, () => contentOf(documentId, version)));
  // a place that is opened anew shows its own page, whatever was turned to before
  const [turned, setTurned] = useState({ at: `${key}/${page}`, number: page });
  const [zoom, setZoom] = useState(0);
  const number = turned.at === `${key}/${page}` ? turned.number : page;

  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") {
    return (
      <>
        <p className="quiet small">{t("pdfFailed")}</p>
        <TextView documentId={documentId} version={version} mark={mark} />
      </>
    );
  }
  const pdf = loaded.value;
  const turn = (to: number): void => setTurned({ at: `${key}/${page}`, number: to });
  return (
    <div className="pdf">
      <div className="pdf-bar" role="toolbar" aria-label={t("pageTools")}>
        <IconButton icon="branchLeft" label={t("pageBefore")} disabled={number <= 1} onClick={() => turn(number - 1)} />
        <span aria-live="polite">{t("pageOf", { n: number, total: pdf.numPages })}</span>
        <IconButton
          icon="branchRight"
          label={t("pageAfter")}
          disabled={number >= pdf.numPages}
          onClick={() => turn(number + 1)}
        />
        <span className="spacer" />
        <IconButton icon="zoomOut" label={t("zoomOut")} disabled={zoom === 0} onClick={() => setZoom(zoom - 1)} />
        <IconButton
          icon="zoomIn"
          label={t("zoomIn")}
          disabled={zoom === ZOOMS.length - 1}
          onClick={() => setZoom(zoom + 1)}
        />
      </div>
      <PdfPage
        key={`${key}/${number}`}
        load={() => pdf.getPage(number)}
        label={t("pageOf", { n: number, total: pdf.numPages })}
        zoom={ZOOMS[zoom] ?? 1}
        boxes={boxes.filter((box) => box.page === number)}
      />
    </div>
  );
}

type PdfPageProxy = Awaited<ReturnType<Awaited<ReturnType<typeof openPdf>>["getPage"]>>;

interface PageProps {
  load: () => Promise<PdfPageProxy>;
  label: string;
  zoom: number;
  boxes: readonly Box[];
}

function PdfPage({ load, label, zoom, boxes }: PageProps): ReactNode {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  const [isDrawn, setDrawn] = useState(false);
  const loadOnce = useRef(load);

  const draw = useCallback(async (signal: AbortSignal): Promise<void> => {
    const page = await loadOnce.current();
    const width = frame.current?.clientWidth ?? 0;
    if (signal.aborted || !canvas.current || !width) return;
    const points = page.getViewport({ scale: 1 });
    const wanted = (width / points.width) * zoom * devicePixelRatio;
    const scale = Math.min(wanted, Math.sqrt(MAX_PIXELS / (points.width * points.height)));
    const viewport = page.getViewport({ scale });
    canvas.current.width = Math.floor(viewport.width);
    canvas.current.height = Math.floor(viewport.height);
    setSize({ width: points.width, height: points.height });
    const task = page.render({ canvas: canvas.current, viewport });
    signal.addEventListener("abort", () => task.cancel());
    // a page that is left before it was drawn ends with an error of its own
    await task.promise.then(() => setDrawn(true), () => undefined);
  }, [zoom]);

  useEffect(() => {
    const control = new AbortController();
    void draw(control.signal);
    return () => control.abort();
  }, [draw]);

  const firstMark = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isDrawn) firstMark.current?.scrollIntoView({ block: "center" });
  }, [isDrawn]);

  return (
    // a zoomed page is scrolled, by the keyboard too
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={frame} className="pdf-frame" tabIndex={0} role="group" aria-label={label}>
      <div className="pdf-page" style={{ width: `${zoom * 100}%` }} data-drawn={isDrawn}>
        <canvas ref={canvas} aria-hidden="true" />
        {size &&
          boxes.map((box, index) => (
            <div
              key={index}
              ref={index === 0 ? firstMark : null}
              className="pdf-mark"
              style={{
                left: `${(box.x0 / size.width) * 100}%`,
                top: `${(box.y0 / size.height) * 100}%`,
                width: `${((box.x1 - box.x0) / size.width) * 100}%`,
                height: `${((box.y1 - box.y0) / size.height) * 100}%`,
              }}
            />
          ))}
      </div>
    </div>
  );
}
