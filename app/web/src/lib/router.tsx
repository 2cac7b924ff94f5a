// Addresses and pages. The service sends the same page for each of these paths: app/api/web.py.

import type { AnchorHTMLAttributes, MouseEvent, ReactNode } from "react";
import { Store, useStore } from "./store";

export type Route =
  | { name: "chat"; conversation: string | null; answer: string | null }
  | { name: "documents"; collection: string | null }
  | { name: "document"; id: string; version: number | null }
  | { name: "collections" }
  | { name: "collection"; collection: string }
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
    case "documents":
      if (id === undefined) return { name: "documents", collection: query.get("collection") };
      return { name: "document", id, version: Number(query.get("version")) || null };
    case "collections":
      return id === undefined ? { name: "collections" } : { name: "collection", collection: id };
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
    case "collections":
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
