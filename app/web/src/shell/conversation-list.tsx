// The conversations of this browser: find one, rename it, delete it.

import { type SyntheticEvent, type ReactNode, useEffect, useState } from "react";
import type { Conversation } from "../api/types";
import {
  type Age,
  conversations,
  deleteConversation,
  grouped,
  loadConversations,
  renameConversation,
} from "../chat/conversations";
import { type Key, useWords } from "../i18n/language";
import { attempt } from "../lib/attempt";
import { Link, NEW_CHAT, navigate, useRoute } from "../lib/router";
import { useStore } from "../lib/store";
import { IconButton } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { Search } from "../ui/form";
import { Menu, MenuItem } from "../ui/menu";
import { Failed } from "../ui/states";

const SEARCH_FROM = 6;
const AGES = { today: "today", yesterday: "yesterday", thisWeek: "thisWeek", earlier: "earlier" } as const satisfies Record<Age, Key>;

export function ConversationList(): ReactNode {
  const t = useWords();
  const listed = useStore(conversations);
  const [wanted, setWanted] = useState("");
  useEffect(() => void loadConversations(), []);
  const groups = grouped(listed.items, wanted, new Date());
  return (
    <nav className="conversations" aria-label={t("conversations")}>
      {(listed.items.length >= SEARCH_FROM || wanted) && (
        <Search label={t("findConversation")} value={wanted} onValue={setWanted} />
      )}
      {listed.state === "failed" && <Failed message={listed.message} onRetry={() => void loadConversations()} />}
      {wanted && groups.length === 0 && <p className="quiet small">{t("noConversation")}</p>}
      {groups.map(([age, items]) => (
        <section key={age}>
          <h2>{t(AGES[age])}</h2>
          <ul>
            {items.map((item) => (
              <ConversationItem key={item.id} item={item} />
            ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}

function ConversationItem({ item }: { item: Conversation }): ReactNode {
  const t = useWords();
  const route = useRoute();
  const [mode, setMode] = useState<"shown" | "renaming" | "deleting">("shown");
  const isOpen = route.name === "chat" && route.conversation === item.id;
  const title = item.title ?? "";
  const linkId = `conversation-${item.id}`;
  if (mode === "renaming") {
    return (
      <li>
        <Rename
          title={title}
          onDone={(next) => {
            setMode("shown");
            requestAnimationFrame(() => document.getElementById(linkId)?.focus());
            if (next && next !== title) void attempt(() => renameConversation(item.id, next));
          }}
        />
      </li>
    );
  }
  const remove = async (): Promise<void> => {
    if (!(await attempt(() => deleteConversation(item.id)))) return;
    if (isOpen) navigate(NEW_CHAT);
    else document.getElementById("main")?.focus();
  };
  return (
    <li className="conversation">
      <Link id={linkId} to={{ name: "chat", conversation: item.id, answer: null }} title={title} aria-current={isOpen ? "page" : undefined}>
        <span className="clipped">{title}</span>
      </Link>
      <Menu trigger={<IconButton icon="more" size={16} label={t("moreOf", { name: title })} />}>
        <MenuItem icon="edit" onSelect={() => setMode("renaming")}>
          {t("rename")}
        </MenuItem>
        <MenuItem icon="trash" isDangerous onSelect={() => setMode("deleting")}>
          {t("delete")}
        </MenuItem>
      </Menu>
      <Confirm
        isOpen={mode === "deleting"}
        title={t("deleteConversation")}
        text={t("deleteConversationText", { name: title })}
        action={t("delete")}
        onConfirm={() => void remove()}
        onClose={() => setMode("shown")}
      />
    </li>
  );
}

function Rename({ title, onDone }: { title: string; onDone: (title: string) => void }): ReactNode {
  const t = useWords();
  const [text, setText] = useState(title);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    onDone(text.trim());
  };
  return (
    <form className="rename" onSubmit={submit}>
      <input
        aria-label={t("title")}
        value={text}
        maxLength={120}
        // it appears because somebody asked to write in it
        // eslint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        onFocus={(event) => event.target.select()}
        onChange={(event) => setText(event.target.value)}
        onBlur={() => onDone(text.trim())}
        onKeyDown={(event) => event.key === "Escape" && onDone("")}
      />
    </form>
  );
}
