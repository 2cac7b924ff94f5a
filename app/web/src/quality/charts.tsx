// Bars with ranges, counts, and curves. Every number is written beside its drawing: the drawing says nothing alone.

import type { ReactNode } from "react";
import { numberText } from "../i18n/format";

interface BarProps {
  label: string;
  /** What the bar says, in words. */
  text: string;
  /** All from 0 to 1. */
  value: number;
  range?: readonly [low: number, high: number];
  kind?: "plain" | "good" | "bad";
}

export function Bar({ label, text, value, range, kind = "plain" }: BarProps): ReactNode {
  return (
    <li className="bar">
      <span className="bar-label">{label}</span>
      <span className={`bar-track ${kind}`} aria-hidden="true">
        <span className="bar-value" style={{ width: percent(value) }} />
        {range && (
          <span className="bar-range" style={{ left: percent(range[0]), width: percent(Math.max(0, clamp(range[1]) - clamp(range[0]))) }} />
        )}
      </span>
      <span className="bar-text">{text}</span>
    </li>
  );
}

interface SwingProps {
  label: string;
  text: string;
  /** From -1 to 1; to the right is better. */
  value: number;
  range: readonly [low: number, high: number];
}

/** How much something changed, to either side. */
export function Swing({ label, text, value, range }: SwingProps): ReactNode {
  const place = (each: number): number => (clamp(each, -1) + 1) / 2;
  const [from, to] = [Math.min(0, value), Math.max(0, value)].map(place) as [number, number];
  const isSure = range[0] > 0 || range[1] < 0;
  const kind = !isSure ? "plain" : value > 0 ? "good" : "bad";
  return (
    <li className="bar">
      <span className="bar-label">{label}</span>
      <span className={`bar-track swing ${kind}`} aria-hidden="true">
        <span className="bar-value" style={{ left: percent(from), width: percent(to - from) }} />
        <span className="bar-range" style={{ left: percent(place(range[0])), width: percent(place(range[1]) - place(range[0])) }} />
      </span>
      <span className="bar-text">{text}</span>
    </li>
  );
}

export interface Line {
  name: string;
  /** Both from 0 to 1. */
  points: readonly (readonly [x: number, y: number])[];
}

interface CurveProps {
  label: string;
  lines: readonly Line[];
  across: string;
  up: string;
}

const WIDTH = 520;
const HEIGHT = 260;
const LEFT = 46;
const BOTTOM = 40;
const TOP = 10;
const RIGHT = 12;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** Lines over one plane; told apart by dashes too. */
export function Curve({ label, lines, across, up }: CurveProps): ReactNode {
  const top = scaleOf(lines);
  const x = (value: number): number => LEFT + value * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  return (
    <figure className="curve">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
        {TICKS.map((tick) => (
          <g key={tick}>
            <line className="grid" x1={x(0)} x2={x(1)} y1={y(tick * top)} y2={y(tick * top)} />
            <text x={LEFT - 8} y={y(tick * top) + 4} textAnchor="end">
              {numberText(round(tick * top))}
            </text>
            <text x={x(tick)} y={HEIGHT - BOTTOM + 17} textAnchor="middle">
              {numberText(tick)}
            </text>
          </g>
        ))}
        <text x={x(0.5)} y={HEIGHT - 4} textAnchor="middle">
          {across}
        </text>
        <text transform={`translate(11 ${y(top / 2)}) rotate(-90)`} textAnchor="middle">
          {up}
        </text>
        {lines.map(({ name, points }, index) => (
          <polyline key={name} className={`line-${index}`} points={points.map((each) => `${x(each[0])},${y(each[1])}`).join(" ")} />
        ))}
      </svg>
      <figcaption>
        {lines.map(({ name }, index) => (
          <span key={name} className="small">
            <svg viewBox="0 0 26 4" width="26" height="4" aria-hidden="true">
              <polyline className={`line-${index}`} points="0,2 26,2" />
            </svg>
            {name}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

/** The top of the plane: a quarter, a half or all, so that a low line is not a flat one. */
export function scaleOf(lines: readonly Line[]): number {
  const highest = Math.max(0, ...lines.flatMap(({ points }) => points.map(([, y]) => y)));
  return [0.1, 0.25, 0.5].find((top) => highest <= top) ?? 1;
}

const clamp = (value: number, least = 0): number => Math.min(1, Math.max(least, value));
const percent = (value: number): string => `${round(clamp(value) * 100)}%`;
const round = (value: number): number => Math.round(value * 1000) / 1000;
