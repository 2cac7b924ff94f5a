// Keeps what breaks from taking the whole page with it: a bug, or a part that a newer build replaced.

import { Component, type ReactNode } from "react";
import { translate } from "../i18n/language";
import { Button } from "./button";
import { Empty } from "./states";

interface Props {
  /** Another key is another thing to show: what broke is forgotten. */
  children: ReactNode;
}

export class Boundary extends Component<Props, { isBroken: boolean }> {
  override state = { isBroken: false };

  static getDerivedStateFromError(): { isBroken: boolean } {
    return { isBroken: true };
  }

  override render(): ReactNode {
    if (!this.state.isBroken) return this.props.children;
    return (
      <div role="alert">
        <Empty icon="warn" title={translate("broken")} text={translate("brokenLead")}>
          <Button kind="main" icon="retry" onClick={() => location.reload()}>
            {translate("reload")}
          </Button>
        </Empty>
      </div>
    );
  }
}
