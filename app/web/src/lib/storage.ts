// What this browser remembers. Storage may be switched off: then nothing is, and nothing breaks.

export function recall(area: "local" | "session", key: string): string | null {
  try {
    return areaOf(area).getItem(`cimiento.${key}`);
  } catch {
    return null;
  }
}

export function remember(area: "local" | "session", key: string, value: string | null): void {
  try {
    if (value === null) areaOf(area).removeItem(`cimiento.${key}`);
    else areaOf(area).setItem(`cimiento.${key}`, value);
  } catch {
    // the choice holds until the page is closed
  }
}

function areaOf(area: "local" | "session"): Storage {
  return area === "local" ? localStorage : sessionStorage;
}
