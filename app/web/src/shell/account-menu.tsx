// One's account, language, theme, keys, and the way out.

import type { ReactNode } from "react";
import { chooseLanguage, language, useWords } from "../i18n/language";
import { navigate } from "../lib/router";
import { useStore } from "../lib/store";
import { chooseTheme, THEMES, theme } from "../lib/theme";
import { Icon } from "../ui/icon";
import { Menu, MenuChoice, MenuItem, MenuLine } from "../ui/menu";
import { Avatar } from "../ui/room";
import { LANGUAGE_CHOICES, THEME_NAMES } from "./choices";
import { overlay } from "./overlays";
import { me, nameOf, signOut } from "./session";

export function AccountMenu(): ReactNode {
  const t = useWords();
  const spoken = useStore(language);
  const painted = useStore(theme);
  const who = useStore(me);
  const name = who ? nameOf(who) : t("preferences");
  const trigger = (
    <button type="button" className="account">
      <Avatar name={name} />
      <span className="clipped">{name}</span>
      <span className="visually-hidden">{t("preferences")}</span>
      <Icon name="chevron" size={14} />
    </button>
  );
  return (
    <Menu trigger={trigger} side="top" align="start">
      <MenuItem icon="person" onSelect={() => navigate({ name: "account" })}>
        {t("account")}
      </MenuItem>
      <MenuLine />
      <MenuChoice label={t("language")} value={spoken} choices={LANGUAGE_CHOICES} onChoose={chooseLanguage} />
      <MenuLine />
      <MenuChoice
        label={t("theme")}
        value={painted}
        choices={THEMES.map((name) => [name, t(THEME_NAMES[name])] as const)}
        onChoose={chooseTheme}
      />
      <MenuLine />
      <MenuItem icon="keyboard" onSelect={() => overlay.set("keys")}>
        {t("keys")}
      </MenuItem>
      <MenuItem icon="out" onSelect={() => void signOut()}>
        {t("signOut")}
      </MenuItem>
    </Menu>
  );
}
