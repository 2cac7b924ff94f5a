// Forms of one make: fields with their hints, what went wrong, and buttons. A form is sent once at a time.

import { type InputHTMLAttributes, type ReactNode, type SyntheticEvent, type TextareaHTMLAttributes, useState } from "react";
import { messageOf } from "../api/problem";
import { useWords } from "../i18n/language";
import { Button } from "./button";
import { Icon } from "./icon";
import { Failed } from "./states";

interface FormProps {
  /** What the button is called that sends it. */
  action: string;
  /** What it raises is told above the fields, and nothing that was written is lost. */
  onSend: () => Promise<unknown>;
  onCancel?: () => void;
  children: ReactNode;
}

export function Form({ action, onSend, onCancel, children }: FormProps): ReactNode {
  const t = useWords();
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const send = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setFault(null);
    try {
      await onSend();
    } catch (error) {
      setFault(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="form" onSubmit={send}>
      {fault !== null && <Failed message={fault} />}
      {children}
      <div className="dialog-buttons">
        {onCancel && <Button onClick={onCancel}>{t("cancel")}</Button>}
        <Button kind="main" type="submit" aria-disabled={isBusy}>
          {action}
        </Button>
      </div>
    </form>
  );
}

interface FieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "value" | "onChange"> {
  label: string;
  hint?: string;
  value: string;
  onValue: (value: string) => void;
}

export function Field({ label, hint, onValue, ...rest }: FieldProps): ReactNode {
  return (
    <label className="field">
      {label}
      <input type="text" autoComplete="off" {...rest} onChange={(event) => onValue(event.target.value)} />
      {hint && <span className="quiet small">{hint}</span>}
    </label>
  );
}

type Written = Pick<FieldProps, "label" | "value" | "onValue">;

interface NameProps extends Written {
  /** What it may be made of, in words; `pattern` says the same to the browser. */
  hint: string;
  pattern: string;
}

/** A name that addresses are made of. */
export function NameField({ hint, ...rest }: NameProps): ReactNode {
  return <Field {...rest} hint={hint} title={hint} required autoCapitalize="none" />;
}

/** Narrows a list down while it is written in. */
export function Search({ label, value, onValue }: Written): ReactNode {
  return (
    <label className="search">
      <Icon name="search" size={16} />
      <span className="visually-hidden">{label}</span>
      <input type="search" value={value} placeholder={label} onChange={(event) => onValue(event.target.value)} />
    </label>
  );
}

interface AreaProps extends Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, "value" | "onChange"> {
  label: string;
  hint?: string;
  value: string;
  onValue: (value: string) => void;
}

export function Area({ label, hint, onValue, ...rest }: AreaProps): ReactNode {
  return (
    <label className="field">
      {label}
      <textarea rows={3} {...rest} onChange={(event) => onValue(event.target.value)} />
      {hint && <span className="quiet small">{hint}</span>}
    </label>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  choices: readonly (readonly [value: T, label: string])[];
  onChoose: (value: T) => void;
  /** Whether its name stands above it; else it is read aloud only. */
  isNamed?: boolean;
}

export function Choice<T extends string>({ label, value, choices, onChoose, isNamed = false }: ChoiceProps<T>): ReactNode {
  const choose = (name: string): void => {
    const found = choices.find(([each]) => each === name);
    if (found) onChoose(found[0]);
  };
  return (
    <label className={isNamed ? "field" : undefined}>
      <span className={isNamed ? undefined : "visually-hidden"}>{label}</span>
      <span className="choice">
        <select value={value} onChange={(event) => choose(event.target.value)}>
          {choices.map(([name, text]) => (
            <option key={name} value={name}>
              {text}
            </option>
          ))}
        </select>
        <Icon name="chevron" size={14} />
      </span>
    </label>
  );
}

interface TickProps {
  label: string;
  hint?: string;
  isOn: boolean;
  onTurn: (isOn: boolean) => void;
}

export function Tick({ label, hint, isOn, onTurn }: TickProps): ReactNode {
  return (
    <label className="tick">
      <input type="checkbox" checked={isOn} onChange={(event) => onTurn(event.target.checked)} />
      <span>
        {label}
        {hint && <span className="quiet small">{hint}</span>}
      </span>
    </label>
  );
}
