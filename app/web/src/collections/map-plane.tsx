// The points themselves: hover to read, press to open, drag around some to ask about them.

import { type PointerEvent, type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { call } from "../api/client";
import type { CollectionMap } from "../api/types";
import { MAX_PASSAGES, scope } from "../chat/scope";
import { count, useWords } from "../i18n/language";
import { NEW_CHAT, navigate } from "../lib/router";
import { useStore } from "../lib/store";
import { theme } from "../lib/theme";
import { useLoaded, useMedia, useRested } from "../lib/use";
import { Button } from "../ui/button";
import { colourOf, isInside, namesThatFit, nearest, placeIn, type Size } from "./plane";

const RADIUS_PX = 3;
const MANY_POINTS = 4000;
const REACH_PX = 14;
const DRAG_PX = 6;
const MAX_NAMED = 24;
const NAME_TERMS = 3;
const CARD_TERMS = 5;
const REST_MS = 120;

interface Corner {
  x: number;
  y: number;
}

export function MapPlane({ map }: { map: CollectionMap }): ReactNode {
  const t = useWords();
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState<Size | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const [line, setLine] = useState<readonly Corner[]>([]);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const painted = useStore(theme);
  const isDark = useMedia("(prefers-color-scheme: dark)");

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current && size) draw(canvas.current, map, size, line);
    // the colours follow the theme
  }, [map, size, line, painted, isDark]);

  const at = (event: PointerEvent<HTMLElement>): Corner => {
    const { left, top } = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };
  const onDown = (event: PointerEvent<HTMLElement>): void => {
    event.currentTarget.setPointerCapture(event.pointerId);
    setLine([at(event)]);
    setChosen([]);
  };
  const onMove = (event: PointerEvent<HTMLElement>): void => {
    if (!size) return;
    const place = at(event);
    if (event.buttons) setLine((corners) => (corners.length ? [...corners, place] : corners));
    else setOver(nearest(map.points, place, size, REACH_PX));
  };
  const onUp = (event: PointerEvent<HTMLElement>): void => {
    if (!size) return;
    const found = nearest(map.points, at(event), size, REACH_PX);
    if (isDrag(line)) {
      const inside = map.points.filter((point) => isInside(line, placeIn(point, size)));
      setChosen(inside.slice(0, MAX_PASSAGES).map((point) => point.id));
    } else if (found !== null) {
      navigate({ name: "document", id: map.points[found]?.document_id ?? "", version: null });
    }
    if (!isDrag(line)) setLine([]);
  };
  const ask = (): void => {
    scope.set({ kind: "passages", ids: chosen });
    navigate(NEW_CHAT);
  };

  const point = over === null || line.length ? undefined : map.points[over];
  return (
    <>
      <p className="visually-hidden">{t("mapOf", { n: map.points.length, clusters: map.clusters.length })}</p>
      <div
        ref={frame}
        className="plane"
        data-over={point !== undefined}
        // the list of documents is the way for the keyboard
        role="presentation"
        onPointerDown={onDown}
        onPointerMove={onMove}
        onPointerUp={onUp}
        onPointerLeave={() => setOver(null)}
      >
        <canvas ref={canvas} aria-hidden="true" />
        {size && <Names map={map} size={size} />}
        {point && size && (
          <PointCard
            documentId={point.document_id}
            terms={map.clusters[point.cluster]?.terms ?? []}
            at={placeIn(point, size)}
          />
        )}
      </div>
      {chosen.length > 0 && (
        <div className="lasso-tools" role="status">
          <Button kind="main" icon="chat" onClick={ask}>
            {count("askAboutThese", chosen.length)}
          </Button>
          <Button
            onClick={() => {
              setChosen([]);
              setLine([]);
            }}
          >
            {t("clearSelection")}
          </Button>
        </div>
      )}
    </>
  );
}

function Names({ map, size }: { map: CollectionMap; size: Size }): ReactNode {
  const fitting = useMemo(() => {
    const names = map.clusters
      .slice(0, MAX_NAMED)
      .map((cluster) => ({ ...placeIn(cluster, size), name: cluster.terms.slice(0, NAME_TERMS).join(" · ") }));
    const points = map.points.map((point) => ({ ...placeIn(point, size), cluster: point.cluster }));
    return namesThatFit(names, points, size);
  }, [map, size]);
  return fitting.map(({ name, x, y }) => (
    <span key={`${name}@${x}`} className="cluster-name" style={{ left: x, top: y }}>
      {name}
    </span>
  ));
}

function PointCard({ documentId, terms, at }: { documentId: string; terms: readonly string[]; at: Corner }): ReactNode {
  const rested = useRested(documentId, REST_MS);
  const loaded = useLoaded(rested, (signal) =>
    call("get", "/v1/documents/{document_id}", { params: { document_id: rested }, signal }),
  );
  return (
    <div className={at.y < 90 ? "point-card below" : "point-card"} style={{ left: at.x, top: at.y }}>
      <strong>{loaded.state === "ready" && rested === documentId ? loaded.value.name : "…"}</strong>
      <span className="quiet small">{terms.slice(0, CARD_TERMS).join(" · ")}</span>
    </div>
  );
}

function isDrag(line: readonly Corner[]): boolean {
  const [first] = line;
  return first !== undefined && line.some(({ x, y }) => Math.hypot(x - first.x, y - first.y) > DRAG_PX);
}

function draw(canvas: HTMLCanvasElement, map: CollectionMap, size: Size, line: readonly Corner[]): void {
  const ratio = devicePixelRatio;
  canvas.width = size.width * ratio;
  canvas.height = size.height * ratio;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(ratio, ratio);
  const areMany = map.points.length > MANY_POINTS;
  pen.globalAlpha = areMany ? 0.55 : 0.8;
  for (const point of map.points) {
    const { x, y } = placeIn(point, size);
    pen.fillStyle = colourOf(point.cluster);
    pen.beginPath();
    pen.arc(x, y, areMany ? RADIUS_PX / 2 : RADIUS_PX, 0, 2 * Math.PI);
    pen.fill();
  }
  if (!isDrag(line)) return;
  pen.globalAlpha = 1;
  pen.strokeStyle = getComputedStyle(canvas).color;
  pen.setLineDash([5, 4]);
  pen.beginPath();
  for (const { x, y } of line) pen.lineTo(x, y);
  pen.closePath();
  pen.stroke();
  pen.globalAlpha = 0.08;
  pen.fillStyle = pen.strokeStyle;
  pen.fill();
}
