// The frame around every room: skip link, sidebar, the room itself, and what floats above.

import { type ReactNode, useEffect, useRef } from "react";
import { DropTarget } from "../documents/drop";
import { UploadTray } from "../documents/tray";
import { useWords } from "../i18n/language";
import { Link, NEW_CHAT, useRoute } from "../lib/router";
import { useStore } from "../lib/store";
import { useMedia } from "../lib/use";
import { Boundary } from "../ui/boundary";
import { IconButton } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Keys } from "./keys";
import { closeOverlay, overlay } from "./overlays";
import { Palette } from "./palette";
import { Room } from "./room";
import { useShortcuts } from "./shortcuts";
import { Sidebar } from "./sidebar";

const WIDE = "(min-width: 820px)";

export function Shell(): ReactNode {
  const t = useWords();
  const isWide = useMedia(WIDE);
  useShortcuts();
  return (
    <div className="shell">
      <a className="skip" href="#main">
        {t("skip")}
      </a>
      {isWide ? <Sidebar /> : <TopBar />}
      <Main />
      <UploadTray />
      <DropTarget />
      <Palette />
      <Keys />
    </div>
  );
}

function Main(): ReactNode {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  // who goes to another room is put at its beginning; a chat takes the focus to its box by itself
  useEffect(() => {
    if (!isFirst.current && route.name !== "chat") main.current?.focus();
    isFirst.current = false;
  }, [route.name]);
  return (
    <main id="main" ref={main} tabIndex={-1}>
      <Boundary key={route.name}>
        <Room route={route} />
      </Boundary>
    </main>
  );
}

function TopBar(): ReactNode {
  const t = useWords();
  const shown = useStore(overlay);
  const route = useRoute();
  useEffect(closeOverlay, [route]);
  return (
    <header className="top-bar">
      <IconButton icon="menu" label={t("menu")} aria-expanded={shown === "sidebar"} onClick={() => overlay.set("sidebar")} />
      <span className="brand">
        <img src="/static/logo.svg" alt="" width="24" height="24" />
        Cimiento
      </span>
      <Link className="icon-button" to={NEW_CHAT} aria-label={t("newChat")} title={t("newChat")}>
        <Icon name="plus" />
      </Link>
      <Dialog isOpen={shown === "sidebar"} onClose={closeOverlay} title={t("menu")} place="left" hideTitle>
        <Sidebar />
      </Dialog>
    </header>
  );
}
