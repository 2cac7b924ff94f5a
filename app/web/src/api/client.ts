// Ask the service. Every path and body is checked against its OpenAPI; shows nothing.

import { translate } from "../i18n/language";
import { Problem, problemOf } from "./problem";
import type { paths } from "./schema";

type Method = "get" | "post" | "put" | "patch" | "delete";
type PathWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never;
}[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never;
type Success<O> = O extends { responses: infer R } ? R[keyof R & (200 | 201 | 202 | 204)] : never;
type Reply<O> = Success<O> extends { content: { "application/json": infer B } } ? B : undefined;
type Body<O> = O extends { requestBody?: infer R }
  ? [NonNullable<R>] extends [never]
    ? never
    : NonNullable<R> extends { content: { "application/json": infer B } }
      ? B
      : never
  : never;
type Params<O> = O extends { parameters: { path: infer P } } ? P : never;
type Query<O> = O extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;

interface Options<O> {
  params?: Params<O>;
  query?: Query<O>;
  body?: Body<O>;
  signal?: AbortSignal;
  keepalive?: boolean;
  /** The tag that the thing was read with: it is refused, with 412, where that has changed since. */
  ifMatch?: string;
}

/** What was read, and by which tag it can be told from what it may become. */
export interface Tagged<T> {
  value: T;
  tag: string;
}

let onSignedOut: () => void = () => undefined;

/** Called whenever the service no longer knows this browser. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

export async function call<M extends Method, P extends PathWith<M>>(
  method: M,
  path: P,
  options: Options<Operation<P, M>> = {},
): Promise<Reply<Operation<P, M>>> {
  return (await callTagged(method, path, options)).value;
}

export async function callTagged<M extends Method, P extends PathWith<M>>(
  method: M,
  path: P,
  options: Options<Operation<P, M>> = {},
): Promise<Tagged<Reply<Operation<P, M>>>> {
  const { params, query, body, signal, keepalive, ifMatch } = options;
  const { headers, ...rest } = withBody(body);
  const response = await send(addressOf(path, params as object | undefined, query), {
    method: method.toUpperCase(),
    ...rest,
    headers: { ...headers, ...(ifMatch ? { "If-Match": ifMatch } : {}) },
    ...(signal ? { signal } : {}),
    ...(keepalive ? { keepalive } : {}),
  });
  const text = response.status === 204 ? "" : await response.text();
  const value = (text ? JSON.parse(text) : undefined) as Reply<Operation<P, M>>;
  return { value, tag: response.headers.get("ETag") ?? "" };
}

export function withBody(body: unknown): Pick<RequestInit, "body"> & { headers?: Record<string, string> } {
  if (body === undefined) return {};
  return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/** The response, where it is a good one. Raises `Problem`, with status 0 where nobody answered. */
export async function send(address: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, { credentials: "same-origin", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "network", translate("network"));
  }
  if (response.ok) return response;
  throw refused(response.status, await response.text());
}

export function refused(status: number, body: string): Problem {
  if (status === 401) onSignedOut();
  return problemOf(status, body);
}

export function addressOf(path: string, params?: object, query?: object): string {
  const given = (params ?? {}) as Record<string, string | number>;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(given[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

/** Every item of a list, page after page, up to a limit. */
export async function collect<T>(
  page: (cursor: string | undefined) => Promise<{ items: T[]; next_cursor?: string | null }>,
  maxItems: number,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const found = await page(cursor);
    items.push(...found.items);
    cursor = found.next_cursor ?? undefined;
  } while (cursor !== undefined && items.length < maxItems);
  return items;
}
