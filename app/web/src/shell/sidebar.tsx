// The sidebar: rooms, conversations, preferences.

import type { ReactNode } from "react";
import { type Key, useWords } from "../i18n/language";
import { Link, NEW_CHAT, type Route, useRoute } from "../lib/router";
import { Icon, type IconName } from "../ui/icon";
import { AccountMenu } from "./account-menu";
import { ConversationList } from "./conversation-list";
import { overlay } from "./overlays";
import { useMay, useOwnsService } from "./session";

interface RoomLink {
  icon: IconName;
  label: Key & ("documents" | "collections" | "quality" | "operations" | "people");
  to: Route;
  names: readonly Route["name"][];
}

const ROOMS: readonly RoomLink[] = [
  { icon: "folder", label: "documents", to: { name: "documents", collection: null }, names: ["documents", "document"] },
  { icon: "layers", label: "collections", to: { name: "collections" }, names: ["collections", "collection"] },
];
const QUALITY: RoomLink = {
  icon: "chart",
  label: "quality",
  to: { name: "evaluations" },
  names: ["evaluations", "evaluation", "prompts", "prompt", "examples"],
};
const ROOMS_OF_OWNERS: readonly RoomLink[] = [
  { icon: "gauge", label: "operations", to: { name: "operations" }, names: ["operations"] },
  { icon: "people", label: "people", to: { name: "people" }, names: ["people", "groups", "audit"] },
];

/** The rooms that who is signed in may enter. */
export function useRooms(): readonly RoomLink[] {
  const ownsService = useOwnsService();
  // who chooses how a collection is answered from wants to know how well
  const ownsSome = useMay("owner");
  return [...ROOMS, ...(ownsSome ? [QUALITY] : []), ...(ownsService ? ROOMS_OF_OWNERS : [])];
}

export function Sidebar(): ReactNode {
  const t = useWords();
  const route = useRoute();
  const rooms = useRooms();
  const isNewChat = route.name === "chat" && route.conversation === null;
  return (
    <aside className="sidebar" aria-label={t("menu")}>
      <div className="sidebar-head">
        <Link className="brand" to={NEW_CHAT}>
          <img src="/static/logo.svg" alt="" width="28" height="28" />
          Cimiento
        </Link>
        <button type="button" className="icon-button" title={t("palette")} aria-label={t("palette")} onClick={() => overlay.set("palette")}>
          <Icon name="search" />
        </button>
      </div>
      <nav className="rooms" aria-label={t("rooms")}>
        <Link className="room-link new-chat" to={NEW_CHAT} aria-current={isNewChat ? "page" : undefined}>
          <Icon name="plus" />
          {t("newChat")}
        </Link>
        {rooms.map(({ icon, label, to, names }) => (
          <Link key={label} className="room-link" to={to} aria-current={names.includes(route.name) ? "page" : undefined}>
            <Icon name={icon} />
            {t(label)}
          </Link>
        ))}
      </nav>
      <ConversationList />
      <AccountMenu />
    </aside>
  );
}
