// Buttons of one make: main, quiet, dangerous; and those that are only a sign.

import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { Icon, type IconName } from "./icon";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: "main" | "quiet" | "outline" | "danger";
  icon?: IconName;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ kind = "outline", icon, className, children, ...rest }: ButtonProps): ReactNode {
  return (
    <button type="button" {...rest} className={["button", kind, className].filter(Boolean).join(" ")}>
      {icon && <Icon name={icon} size={16} />}
      {children}
    </button>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon: IconName;
  label: string;
  size?: number;
  ref?: Ref<HTMLButtonElement>;
}

/** A button that is only a sign: `label` is what it is called. */
export function IconButton({ icon, label, size = 18, className, ...rest }: IconButtonProps): ReactNode {
  return (
    <button
      type="button"
      title={label}
      {...rest}
      aria-label={label}
      className={["icon-button", className].filter(Boolean).join(" ")}
    >
      <Icon name={icon} size={size} />
    </button>
  );
}
