// What rooms have in common: a heading with tools, tabs between rooms of a kind, facts, marks, and initials.

import type { ReactNode } from "react";
import { Link, type Route } from "../lib/router";
import { Icon } from "./icon";

interface HeadProps {
  title: string;
  lead?: ReactNode;
  /** In smaller letters below the lead. */
  note?: string;
  back?: { to: Route; label: string };
  children?: ReactNode;
}

export function RoomHead({ title, lead, note, back, children }: HeadProps): ReactNode {
  return (
    <header className="room-head">
      <div>
        {back && (
          <Link className="back" to={back.to}>
            <Icon name="back" size={16} />
            {back.label}
          </Link>
        )}
        <h1>{title}</h1>
        {lead && <p className="quiet">{lead}</p>}
        {note && <p className="quiet small">{note}</p>}
      </div>
      {children && <div className="room-tools">{children}</div>}
    </header>
  );
}

interface TabsProps {
  label: string;
  here: Route["name"];
  tabs: readonly (readonly [to: Route, label: string])[];
}

/** Rooms that belong together, one beside the other. */
export function Tabs({ label, here, tabs }: TabsProps): ReactNode {
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(([to, text]) => (
        <Link key={to.name} to={to} aria-current={to.name === here ? "page" : undefined}>
          {text}
        </Link>
      ))}
    </nav>
  );
}

interface PanelProps {
  title: string;
  lead?: string;
  tools?: ReactNode;
  children: ReactNode;
}

/** A part of a room under a heading of its own. */
export function Panel({ title, lead, tools, children }: PanelProps): ReactNode {
  return (
    <section className="panel" aria-label={title}>
      <header>
        <div>
          <h2>{title}</h2>
          {lead && <p className="quiet small">{lead}</p>}
        </div>
        {tools}
      </header>
      {children}
    </section>
  );
}

/** What is known of something, in a part of class "facts". */
export function FactList({ facts }: { facts: readonly (readonly [name: string, value: string])[] }): ReactNode {
  return (
    <dl>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A word about the state of something, never by colour alone. */
export function Mark({ text, kind = "plain" }: { text: string; kind?: "plain" | "good" | "warn" | "bad" }): ReactNode {
  return <span className={`mark-word ${kind}`}>{text}</span>;
}

/** A person or a group, before their name is read. */
export function Avatar({ name, icon }: { name: string; icon?: "people" }): ReactNode {
  return (
    <span className="avatar" aria-hidden="true">
      {icon ? <Icon name={icon} size={18} /> : initialsOf(name)}
    </span>
  );
}

export function initialsOf(name: string): string {
  const words = name.split(/[\s._@+-]+/u).filter(Boolean);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => (word ? Array.from(word)[0] : ""));
  return letters.join("").toLocaleUpperCase();
}
