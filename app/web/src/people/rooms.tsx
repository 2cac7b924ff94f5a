// What the rooms about people share: their tabs, and what names are made of.

import type { ReactNode } from "react";
import { people as words } from "../i18n/people";
import type { Route } from "../lib/router";
import { Tabs } from "../ui/room";

export const PERSON_NAME = "[a-z0-9][a-z0-9._@+\\-]{0,63}";
export const GROUP_NAME = "[a-z0-9][a-z0-9_\\-]{0,62}";

export function PeopleTabs({ here }: { here: Route["name"] }): ReactNode {
  const t = words.useWords();
  return (
    <Tabs
      label={t("people")}
      here={here}
      tabs={[
        [{ name: "people" }, t("people")],
        [{ name: "groups" }, t("groups")],
        [{ name: "audit" }, t("audit")],
      ]}
    />
  );
}
