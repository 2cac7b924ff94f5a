// Whether an answer was any good; what is said later takes the place of it.

import type { ReactNode } from "react";
import { call } from "../api/client";
import { useWords } from "../i18n/language";
import { attempt } from "../lib/attempt";
import { Store, useStore } from "../lib/store";
import { IconButton } from "../ui/button";

type Rating = "up" | "down";

// beside the turns: those are drawn anew while they scroll, and when an answer has been stored
const ratings = new Store<ReadonlyMap<string, Rating | null>>(new Map());

export function Feedback({ answerId }: { answerId: string }): ReactNode {
  const t = useWords();
  const given = useStore(ratings).get(answerId) ?? null;
  const set = (rating: Rating | null): void => ratings.update((all) => new Map(all).set(answerId, rating));
  const give = async (rating: Rating): Promise<void> => {
    set(rating);
    const params = { answer_id: answerId };
    if (!(await attempt(() => call("post", "/v1/answers/{answer_id}/feedback", { params, body: { rating } })))) set(given);
  };
  const button = (rating: Rating, label: string): ReactNode => (
    <IconButton
      icon={rating === "up" ? "thumbUp" : "thumbDown"}
      size={16}
      label={label}
      aria-pressed={given === rating}
      onClick={() => void give(rating)}
    />
  );
  return (
    <>
      {button("up", t("good"))}
      {button("down", t("bad"))}
    </>
  );
}
