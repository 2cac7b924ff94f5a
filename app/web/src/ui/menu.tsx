// Menus that open from a button; arrow keys and first letters move in them.

import * as Radix from "@radix-ui/react-dropdown-menu";
import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon";

interface MenuProps {
  trigger: ReactNode;
  side?: "top" | "bottom";
  align?: "start" | "end";
  children: ReactNode;
}

export function Menu({ trigger, side = "bottom", align = "end", children }: MenuProps): ReactNode {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className="menu" side={side} align={align} sideOffset={6} collisionPadding={8}>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface ItemProps {
  icon: IconName;
  isDangerous?: boolean;
  onSelect: () => void;
  children: ReactNode;
}

export function MenuItem({ icon, isDangerous = false, onSelect, children }: ItemProps): ReactNode {
  return (
    <Radix.Item className={isDangerous ? "menu-item danger" : "menu-item"} onSelect={onSelect}>
      <Icon name={icon} size={16} />
      {children}
    </Radix.Item>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  choices: readonly (readonly [value: T, label: string])[];
  onChoose: (value: T) => void;
}

export function MenuChoice<T extends string>({ label, value, choices, onChoose }: ChoiceProps<T>): ReactNode {
  const choose = (name: string): void => {
    const found = choices.find(([each]) => each === name);
    if (found) onChoose(found[0]);
  };
  return (
    <>
      <Radix.Label className="menu-label">{label}</Radix.Label>
      <Radix.RadioGroup value={value} onValueChange={choose}>
        {choices.map(([name, text]) => (
          <Radix.RadioItem key={name} value={name} className="menu-item" onSelect={(event) => event.preventDefault()}>
            <span className="menu-check">
              <Radix.ItemIndicator>
                <Icon name="check" size={16} />
              </Radix.ItemIndicator>
            </span>
            {text}
          </Radix.RadioItem>
        ))}
      </Radix.RadioGroup>
    </>
  );
}

export function MenuLine(): ReactNode {
  return <Radix.Separator className="menu-line" />;
}
