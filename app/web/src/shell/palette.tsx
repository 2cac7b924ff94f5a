// The palette: type a few letters, get to any room, conversation or preference.

import { type KeyboardEvent, type ReactNode, useId, useState } from "react";
import { conversations } from "../chat/conversations";
import { chooseFiles, chooseFolder } from "../documents/choose";
import { chooseLanguage, useWords } from "../i18n/language";
import { NEW_CHAT, navigate } from "../lib/router";
import { useStore } from "../lib/store";
import { holding } from "../lib/text";
import { chooseTheme, THEMES } from "../lib/theme";
import { Dialog } from "../ui/dialog";
import { Icon, type IconName } from "../ui/icon";
import { LANGUAGE_CHOICES, THEME_NAMES } from "./choices";
import { closeOverlay, overlay } from "./overlays";
import { signOut, useMay } from "./session";
import { useRooms } from "./sidebar";

const MAX_SHOWN = 12;

interface Command {
  id: string;
  icon: IconName;
  label: string;
  run: () => void;
}

export function Palette(): ReactNode {
  const t = useWords();
  const shown = useStore(overlay);
  return (
    <Dialog isOpen={shown === "palette"} onClose={closeOverlay} title={t("palette")} place="top" hideTitle>
      <Commands />
    </Dialog>
  );
}

function Commands(): ReactNode {
  const t = useWords();
  const id = useId();
  const [wanted, setWanted] = useState("");
  const [at, setAt] = useState(0);
  const isWanted = holding(wanted);
  const found = useCommands()
    .filter(({ label }) => isWanted(label))
    .slice(0, MAX_SHOWN);
  const chosen = found[Math.min(at, found.length - 1)];
  const run = (command: Command | undefined): void => {
    if (!command) return;
    closeOverlay();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setAt((Math.min(at, found.length - 1) + step + found.length) % Math.max(found.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(chosen);
    }
  };
  return (
    <div className="palette">
      <label className="search">
        <Icon name="search" />
        <input
          role="combobox"
          aria-expanded
          aria-controls={id}
          aria-label={t("palette")}
          aria-activedescendant={chosen && `${id}-${chosen.id}`}
          placeholder={t("paletteHint")}
          value={wanted}
          onChange={(event) => {
            setWanted(event.target.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
        />
      </label>
      <div className="commands" role="listbox" id={id} aria-label={t("commands")}>
        {found.map((command) => (
          // the keyboard is in the box above, which names the chosen one
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
          <div
            key={command.id}
            id={`${id}-${command.id}`}
            role="option"
            aria-selected={command === chosen}
            onClick={() => run(command)}
            onPointerMove={() => setAt(found.indexOf(command))}
          >
            <Icon name={command.icon} />
            <span className="clipped">{command.label}</span>
          </div>
        ))}
      </div>
      {!found.length && <p className="quiet small none-found">{t("noCommand")}</p>}
    </div>
  );
}

function useCommands(): Command[] {
  const t = useWords();
  const { items } = useStore(conversations);
  const rooms = useRooms();
  const mayAdd = useMay("editor");
  return [
    { id: "new", icon: "plus", label: t("newChat"), run: () => navigate(NEW_CHAT) },
    ...rooms.map(({ icon, label, to }): Command => ({ id: label, icon, label: t(label), run: () => navigate(to) })),
    { id: "account", icon: "person", label: t("account"), run: () => navigate({ name: "account" }) },
    ...(mayAdd
      ? ([
          { id: "upload", icon: "upload", label: t("choose"), run: chooseFiles },
          { id: "folder", icon: "upload", label: t("chooseFolder"), run: chooseFolder },
        ] as const)
      : []),
    { id: "keys", icon: "keyboard", label: t("keys"), run: () => overlay.set("keys") },
    ...LANGUAGE_CHOICES.map(([id, label]): Command => ({ id, icon: "globe", label, run: () => chooseLanguage(id) })),
    ...THEMES.map(
      (id): Command => ({ id, icon: "half", label: `${t("theme")}: ${t(THEME_NAMES[id])}`, run: () => chooseTheme(id) }),
    ),
    { id: "out", icon: "out", label: t("signOut"), run: () => void signOut() },
    ...items.flatMap((item): Command[] =>
      item.title === null
        ? []
        : [
            {
              id: item.id,
              icon: "chat",
              label: item.title,
              run: () => navigate({ name: "chat", conversation: item.id, answer: null }),
            },
          ],
    ),
  ];
}
