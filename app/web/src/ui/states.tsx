// What a room shows before there is anything, and when it went wrong.

import type { ReactNode } from "react";
import { useWords } from "../i18n/language";
import { Button } from "./button";
import { Icon, type IconName } from "./icon";

export function Loading(): ReactNode {
  const t = useWords();
  return (
    <p className="loading" role="status">
      <span className="pulse" />
      {t("loading")}
    </p>
  );
}

export function Failed({ message, onRetry }: { message: string; onRetry?: () => void }): ReactNode {
  const t = useWords();
  return (
    <div className="notice" role="alert">
      <Icon name="warn" />
      <p>{message}</p>
      {onRetry && (
        <Button kind="quiet" onClick={onRetry}>
          {t("retry")}
        </Button>
      )}
    </div>
  );
}

interface EmptyProps {
  icon: IconName;
  title: string;
  text?: string;
  children?: ReactNode;
}

export function Empty({ icon, title, text, children }: EmptyProps): ReactNode {
  return (
    <div className="empty">
      <span className="empty-sign">
        <Icon name={icon} size={26} />
      </span>
      <h2>{title}</h2>
      {text && <p>{text}</p>}
      {children}
    </div>
  );
}

interface MeterProps {
  label: string;
  done: number;
  /** Null where nobody knows yet: the bar then says "busy". */
  total: number | null;
}

export function Meter({ label, done, total }: MeterProps): ReactNode {
  return <progress aria-label={label} {...(total ? { value: done, max: total } : {})} />;
}
