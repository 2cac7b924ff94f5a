// Addresses and pages. The service sends the same page for each of these paths: app/api/web.py.

import type { AnchorHTMLAttributes, MouseEvent, ReactNode } from "react";
import { Store, useStore } from "./store";

export type Route =
  | { name: "chat"; conversation: string | null; answer: string | null }
  | { name: "answer"; id: string }
  | { name: "documents"; collection: string | null }
  | { name: "document"; id: string; version: number | null }
  | { name: "collections" }
  | { name: "collection"; collection: string }
  | { name: "account" }
  | { name: "people" }
  | { name: "groups" }
  | { name: "audit" }
  | { name: "evaluations" }
  | { name: "evaluation"; id: string }
  | { name: "prompts" }
  | { name: "prompt"; reference: string }
  | { name: "examples" }
  | { name: "operations" }
  | { name: "sign-in"; token: string; problem: string }
  | { name: "missing" };

export const NEW_CHAT: Route = { name: "chat", conversation: null, answer: null };

export function parseRoute(path: string, search: string): Route {
  const query = new URLSearchParams(search);
  const [room = "", id, ...rest] = path.split("/").filter(Boolean).map(decodePart);
  if (rest.length) return { name: "missing" };
  switch (room) {
    case "":
      return NEW_CHAT;
    case "chat":
      return id === undefined ? NEW_CHAT : { name: "chat", conversation: id, answer: query.get("answer") };
    case "answers":
      return id === undefined ? { name: "missing" } : { name: "answer", id };
    case "documents":
      if (id === undefined) return { name: "documents", collection: query.get("collection") };
      return { name: "document", id, version: Number(query.get("version")) || null };
    case "collections":
      return id === undefined ? { name: "collections" } : { name: "collection", collection: id };
    case "account":
    case "people":
    case "groups":
    case "audit":
    case "examples":
    case "operations":
      return { name: id === undefined ? room : "missing" };
    case "evaluations":
      return id === undefined ? { name: "evaluations" } : { name: "evaluation", id };
    case "prompts":
      return id === undefined ? { name: "prompts" } : { name: "prompt", reference: id };
    case "sign-in":
      return { name: "sign-in", token: query.get("token") ?? "", problem: query.get("problem") ?? "" };
    default:
      return { name: "missing" };
  }
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function hrefOf(route: Route): string {
  const id = encodeURIComponent;
  switch (route.name) {
    case "chat":
      if (route.conversation === null) return "/";
      return `/chat/${id(route.conversation)}${route.answer ? `?answer=${id(route.answer)}` : ""}`;
    case "documents":
      return route.collection ? `/documents?collection=${id(route.collection)}` : "/documents";
    case "document":
      return `/documents/${id(route.id)}${route.version ? `?version=${route.version}` : ""}`;
    case "collection":
      return `/collections/${id(route.collection)}`;
    case "answer":
      return `/answers/${id(route.id)}`;
    case "evaluation":
      return `/evaluations/${id(route.id)}`;
    case "prompt":
      return `/prompts/${id(route.reference)}`;
    case "collections":
    case "evaluations":
    case "prompts":
    case "examples":
    case "operations":
    case "account":
    case "people":
    case "groups":
    case "audit":
    case "sign-in":
      return `/${route.name}`;
    case "missing":
      return "/";
  }
}

const here = (): Route =>
  typeof location === "undefined" ? NEW_CHAT : parseRoute(location.pathname, location.search);

const current = new Store<Route>(here());

if (typeof addEventListener !== "undefined") addEventListener("popstate", () => current.set(here()));

export function useRoute(): Route {
  return useStore(current);
}

export function currentRoute(): Route {
  return current.get();
}

export function navigate(route: Route, { replace = false } = {}): void {
  const href = hrefOf(route);
  if (replace) history.replaceState(null, "", href);
  else if (href !== location.pathname + location.search) history.pushState(null, "", href);
  current.set(route);
}

interface LinkProps extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> {
  to: Route;
  children: ReactNode;
}

/** A link inside the application; a click with a modifier is the browser's own affair. */
export function Link({ to, onClick, children, ...rest }: LinkProps): ReactNode {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event);
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (event.defaultPrevented || !isPlain) return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a {...rest} href={hrefOf(to)} onClick={follow}>
      {children}
    </a>
  );
}
