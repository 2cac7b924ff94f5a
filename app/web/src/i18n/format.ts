// Numbers, sizes and dates as the reader's language writes them.

import { locale } from "./language";

export function sizeText(bytes: number): string {
  const [value, unit] =
    bytes < 1e6 ? [Math.max(bytes / 1e3, 0.1), "kilobyte"] : bytes < 1e9 ? [bytes / 1e6, "megabyte"] : [bytes / 1e9, "gigabyte"];
  const text = new Intl.NumberFormat(locale(), {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: value < 10 ? 1 : 0,
  }).format(value);
  return text.replaceAll(" ", "\u00a0"); // a number and its unit stay on one line
}

export function numberText(value: number): string {
  return new Intl.NumberFormat(locale()).format(value);
}

export function secondsText(ms: number): string {
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return new Intl.NumberFormat(locale(), digits).format(ms / 1000);
}

export function percentText(share: number): string {
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 0 }).format(share);
}

export function dateText(moment: string): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium" }).format(new Date(moment));
}

export function momentText(moment: string): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(moment));
}

/** The English name of a language code in the reader's own language: "es" is "Spanish". */
export function languageName(code: string): string {
  try {
    return new Intl.DisplayNames([locale()], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}
