// Server-sent events out of a response, with their ids. EventSource cannot send a body or say why it failed.

export interface ServerEvent {
  id: string | null;
  name: string;
  data: unknown;
}

/** Every event until the stream ends; raises whatever broke it. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event) yield event;
      }
    }
  } finally {
    // whoever stops reading hangs up
    await reader.cancel().catch(() => undefined);
  }
}

/** An event, or null for a comment such as the heartbeat. */
export function parseEvent(block: string): ServerEvent | null {
  const event: ServerEvent = { id: null, name: "message", data: null };
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at <= 0) continue;
    const value = line.slice(at + 1).replace(/^ /, "");
    const field = line.slice(0, at);
    if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
    else if (field === "data") data.push(value);
  }
  if (!data.length) return null;
  event.data = JSON.parse(data.join("\n"));
  return event;
}
