// Whether an answer was any good; what is said later takes the place of it.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import { messageOf } from "../api/problem";
import { useWords } from "../i18n/language";
import { IconButton } from "../ui/button";
import { notify } from "../ui/toasts";

type Rating = "up" | "down";

export function Feedback({ answerId }: { answerId: string }): ReactNode {
  const t = useWords();
  const [given, setGiven] = useState<Rating | null>(null);
  const give = async (rating: Rating): Promise<void> => {
    const before = given;
    setGiven(rating);
    try {
      await call("post", "/v1/answers/{answer_id}/feedback", { params: { answer_id: answerId }, body: { rating } });
    } catch (error) {
      setGiven(before);
      notify(messageOf(error), { isBad: true });
    }
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
