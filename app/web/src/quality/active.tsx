// What answers from a collection, of one kind: a prompt or an adapter. Chosen, taken back, and since when it is there.

import type { ReactNode } from "react";
import { momentText } from "../i18n/format";
import { quality as words } from "../i18n/quality";
import { Button } from "../ui/button";
import { Choice } from "../ui/form";

/** Something was chosen, or taken back. */
export interface Step {
  /** Null for what the service does. */
  reference: string | null;
  rolled_back: boolean;
  by: string;
  created_at: string;
}

interface Props {
  label: string;
  /** What is active; null for what the service does. */
  active: string | null;
  /** All that can be chosen; null to whoever may not choose. */
  references: readonly string[] | null;
  /** How it is shown to them. */
  shown: ReactNode;
  /** The newest first. */
  history: readonly Step[];
  onChoose: (reference: string | null) => void;
  /** What the button is called that goes back, and what it does. */
  back: { label: string; run: () => void };
  children?: ReactNode;
}

export function Active({ label, active, references, shown, history, onChoose, back, children }: Props): ReactNode {
  const t = words.useWords();
  const mayGoBack = references !== null && canGoBack(history);
  return (
    <>
      <dt>{label}</dt>
      <dd>
        {references === null ? (
          shown
        ) : (
          <Choice
            label={label}
            value={active ?? ""}
            choices={[["", t("asService")], ...references.map((each) => [each, each] as const)]}
            onChoose={(reference) => onChoose(reference || null)}
          />
        )}
        <span className="quiet small">{sinceText(history[0])}</span>
        {children}
        {mayGoBack && (
          <Button kind="quiet" className="small" icon="retry" onClick={back.run}>
            {back.label}
          </Button>
        )}
      </dd>
    </>
  );
}

/** "since 3 May, by Ana Ruiz": who did it is not told of the command line, nor of whoever is gone. */
export function sinceText(step: Pick<Step, "by" | "created_at"> | undefined): string {
  if (!step) return words.translate("activeAlways");
  const values = { date: momentText(step.created_at), by: step.by };
  return step.by ? words.translate("activeSinceBy", values) : words.translate("activeSince", values);
}

/** Whether there is a choice to take back: each goes one up, each that was taken back one down. */
export function canGoBack(history: readonly Pick<Step, "reference" | "rolled_back">[]): boolean {
  const depth = history.reduceRight((above, { reference, rolled_back }) => {
    if (rolled_back) return above - 1;
    // at first the service's own was chosen, which it was anyway
    return above === 0 && reference === null ? 0 : above + 1;
  }, 0);
  return depth > 0;
}
