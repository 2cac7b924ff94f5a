// Files may be dropped anywhere on the page.

import { type ReactNode, useEffect, useState } from "react";
import { useWords } from "../i18n/language";
import { Icon } from "../ui/icon";
import { collectionHere, FILE_INPUT_ID, FOLDER_INPUT_ID, takeChosen } from "./choose";
import { filesOfDrop } from "./files";
import { addUploads } from "./uploads";

export function DropTarget(): ReactNode {
  const t = useWords();
  const [isOver, setOver] = useState(false);
  useEffect(() => listen(setOver), []);
  const here = isOver ? collectionHere() : null;
  return (
    <>
      <input id={FILE_INPUT_ID} type="file" multiple hidden onChange={(event) => takeChosen(event.target)} />
      <input
        id={FOLDER_INPUT_ID}
        type="file"
        multiple
        hidden
        ref={(input) => input?.setAttribute("webkitdirectory", "")}
        onChange={(event) => takeChosen(event.target)}
      />
      {isOver && (
        <div className="drop-over">
          <p>
            <Icon name="upload" size={28} />
            {here === null ? t("dropNowhere") : t("dropNow", { collection: here })}
          </p>
        </div>
      )}
    </>
  );
}

function listen(setOver: (isOver: boolean) => void): () => void {
  const control = new AbortController();
  const { signal } = control;
  // entering a child comes before leaving its parent
  let depth = 0;
  const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true;
  const enter = (event: DragEvent): void => {
    if (!hasFiles(event)) return;
    depth += 1;
    setOver(true);
  };
  const leave = (): void => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) setOver(false);
  };
  const drop = (event: DragEvent): void => {
    if (!event.dataTransfer || !hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    setOver(false);
    const collection = collectionHere();
    if (collection === null) return;
    void filesOfDrop(event.dataTransfer).then((files) => addUploads(files, collection));
  };
  addEventListener("dragenter", enter, { signal });
  addEventListener("dragleave", leave, { signal });
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault(), { signal });
  addEventListener("drop", drop, { signal });
  return () => control.abort();
}
