// Stands in for react-remove-scroll, which locks the page's scrolling with a <style> element that our
// policy refuses. Our page itself never scrolls: only its rooms do, and those lie behind the dialog.

import type { ElementType, ReactNode } from "react";

interface Props {
  as?: ElementType;
  children?: ReactNode;
}

/** Of what Radix hands over, the element to be and what is in it matter here. */
export function RemoveScroll({ as: Element = "div", children }: Props): ReactNode {
  return <Element>{children}</Element>;
}
