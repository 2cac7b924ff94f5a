// Which adapters there are, what each learnt, and which ones answered from a collection.

import { type ReactNode, useState } from "react";
import type { ActiveAdapter, Adapter } from "../api/types";
import { dateText, sizeText } from "../i18n/format";
import { quality as words } from "../i18n/quality";
import { Link } from "../lib/router";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Mark } from "../ui/room";
import { sinceText } from "./active";
import { styleText } from "./versions";

interface Props {
  adapters: readonly Adapter[];
  active: string | null;
  history: ActiveAdapter["history"];
}

export function AdaptersButton(props: Props): ReactNode {
  const t = words.useWords();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button kind="quiet" className="small" icon="info" onClick={() => setOpen(true)}>
        {t("adapters")}
      </Button>
      <Dialog isOpen={isOpen} onClose={() => setOpen(false)} title={t("adapters")} isWide>
        <AdapterList {...props} />
      </Dialog>
    </>
  );
}

function AdapterList({ adapters, active, history }: Props): ReactNode {
  const t = words.useWords();
  return (
    <>
      <p className="quiet small">{t("adaptersLead")}</p>
      <ul className="lines">
        {adapters.map((each) => (
          <AdapterLine key={each.reference} adapter={each} isActive={each.reference === active} />
        ))}
      </ul>
      {history.length > 0 && (
        <section aria-label={t("adapterHistory")}>
          <h3>{t("adapterHistory")}</h3>
          <ol className="lines">
            {history.map((each) => (
              <li key={each.created_at}>
                <span className="line-words">
                  {each.adapter ?? t("asService")}
                  <span className="quiet small">{sinceText(each)}</span>
                </span>
                {each.rolled_back && <Mark text={t("rolledBack")} />}
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  );
}

function AdapterLine({ adapter, isActive }: { adapter: Adapter; isActive: boolean }): ReactNode {
  const t = words.useWords();
  return (
    <li>
      <span className="line-words">
        <strong>{adapter.reference}</strong>
        <span className="quiet small">
          {t("adapterLearnt")} <Link to={{ name: "prompt", reference: adapter.prompt }}>{adapter.prompt}</Link>
          {` · ${styleText(adapter.style)} · ${sizeText(adapter.bytes)} · ${t("adapterAdded", { date: dateText(adapter.created_at) })}`}
        </span>
      </span>
      {isActive && <Mark kind="good" text={t("adapterInUse")} />}
    </li>
  );
}
