// Texts and offsets. The service counts characters; JavaScript's own count is UTF-16 units.

const SURROGATE = /[\ud800-\udbff][\udc00-\udfff]/;

/** Turns an offset in characters into one in UTF-16 units, for one text. */
export function unitOffsets(text: string): (offset: number) => number {
  if (!SURROGATE.test(text)) return (offset) => Math.min(offset, text.length);
  const units: number[] = [];
  let at = 0;
  for (const char of text) {
    units.push(at);
    at += char.length;
  }
  units.push(at);
  return (offset) => units[Math.min(offset, units.length - 1)] ?? at;
}

export function slice(text: string, start: number, end: number): string {
  const unit = unitOffsets(text);
  return text.slice(unit(start), unit(end));
}

/** Messages of the service begin in lower case, as parts of a longer line; here they stand alone. */
export function sentenceCase(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

/** The first so many characters. */
export function shortened(text: string, maxChars: number): string {
  const chars = Array.from(text);
  return chars.length > maxChars ? `${chars.slice(0, maxChars).join("")}…` : text;
}

/** Folds case and accents, so that "Informe" finds "informé". */
function folded(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();
}

/** Tells of a text whether it holds every word that is looked for, in any order. */
export function holding(wanted: string): (text: string) => boolean {
  const words = folded(wanted).split(/\s+/).filter(Boolean);
  return (text) => {
    const held = folded(text);
    return words.every((word) => held.includes(word));
  };
}
