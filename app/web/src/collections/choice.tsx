// Choose a collection, or all of them.

import { type ReactNode, useEffect } from "react";
import { useStore } from "../lib/store";
import { Choice } from "../ui/form";
import { collections, loadCollections } from "./collections";

interface Props {
  label: string;
  /** What no choice is called. */
  everywhere: string;
  /** A collection's name, or "" for all. */
  value: string;
  onChoose: (name: string) => void;
  isNamed?: boolean;
}

export function CollectionChoice({ everywhere, ...rest }: Props): ReactNode {
  const { items } = useStore(collections);
  useEffect(() => void loadCollections(), []);
  return <Choice {...rest} choices={[["", everywhere], ...items.map(({ name }) => [name, name] as const)]} />;
}
