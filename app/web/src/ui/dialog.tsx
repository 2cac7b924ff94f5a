// Dialogs: in the middle, or from an edge. Focus stays inside and goes back to where it came from.

import * as Radix from "@radix-ui/react-dialog";
import type { ReactNode } from "react";
import { useWords } from "../i18n/language";
import { Button, IconButton } from "./button";

interface Props {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  /** Where it stands: in the middle, at the left edge, or at the bottom. */
  place?: "middle" | "left" | "bottom" | "top";
  hideTitle?: boolean;
  isWide?: boolean;
  children: ReactNode;
}

export function Dialog({ isOpen, onClose, title, place = "middle", hideTitle = false, isWide = false, children }: Props): ReactNode {
  const t = useWords();
  return (
    <Radix.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="veil" />
        <Radix.Content className={`dialog ${place}${isWide ? " wide" : ""}`} aria-describedby={undefined}>
          {hideTitle ? (
            <Radix.Title className="visually-hidden">{title}</Radix.Title>
          ) : (
            <header className="dialog-head">
              <Radix.Title>{title}</Radix.Title>
              <IconButton icon="close" label={t("close")} onClick={onClose} />
            </header>
          )}
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface ConfirmProps {
  isOpen: boolean;
  title: string;
  text: string;
  action: string;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks before something that cannot be taken back. */
export function Confirm({ isOpen, title, text, action, onConfirm, onClose }: ConfirmProps): ReactNode {
  const t = useWords();
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={title}>
      <p className="confirm-text">{text}</p>
      <div className="dialog-buttons">
        <Button onClick={onClose}>{t("keep")}</Button>
        <Button
          kind="danger"
          onClick={() => {
            onConfirm();
            onClose();
          }}
        >
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
