// What can be done with an answer: copy it, ask again, ask otherwise, look at the others beside it.

import type { ReactNode } from "react";
import { secondsText } from "../i18n/format";
import { useWords } from "../i18n/language";
import { IconButton } from "../ui/button";
import { CopyButton } from "../ui/copy";
import { Feedback } from "./feedback";
import { ShareButton } from "./share";
import type { Shown } from "./thread";

interface Props {
  turn: Shown;
  isBusy: boolean;
  onEdit: () => void;
  onRegenerate: () => void;
  onBranch: (answerId: string) => void;
}

export function Tools({ turn, isBusy, onEdit, onRegenerate, onBranch }: Props): ReactNode {
  const t = useWords();
  return (
    <footer className="tools">
      <Branches turn={turn} onBranch={onBranch} />
      {turn.text && !turn.isHidden && <CopyButton text={turn.text} />}
      <IconButton icon="retry" size={16} label={t("regenerate")} disabled={isBusy} onClick={onRegenerate} />
      <IconButton icon="edit" size={16} label={t("editQuestion")} disabled={isBusy} onClick={onEdit} />
      {turn.status !== "cancelled" && turn.status !== "failed" && !turn.isHidden && <Feedback answerId={turn.id} />}
      {!turn.isHidden && <ShareButton answerId={turn.id} />}
      {turn.made && (
        <span className="quiet small made">
          {turn.made.model} · {t("timing", { s: secondsText(turn.made.totalMs) })}
        </span>
      )}
    </footer>
  );
}

function Branches({ turn, onBranch }: Pick<Props, "turn" | "onBranch">): ReactNode {
  const t = useWords();
  const { alternatives, id } = turn;
  if (alternatives.length < 2) return null;
  const at = alternatives.indexOf(id);
  const step = (icon: "branchLeft" | "branchRight", label: string, to: string | undefined): ReactNode => (
    <IconButton icon={icon} size={16} label={label} disabled={to === undefined} onClick={() => to && onBranch(to)} />
  );
  return (
    <span className="branches">
      {step("branchLeft", t("answerBefore"), alternatives[at - 1])}
      <span className="small" aria-label={t("answerOf", { n: at + 1, total: alternatives.length })}>
        {at + 1}/{alternatives.length}
      </span>
      {step("branchRight", t("answerAfter"), alternatives[at + 1])}
    </span>
  );
}
