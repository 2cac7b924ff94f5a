import { describe, expect, it } from "vitest";
import { filesOfDrop, filesOfInput } from "./files";

const fileEntry = (name: string): FileSystemFileEntry =>
  ({
    name,
    isFile: true,
    isDirectory: false,
    file: (take: (file: File) => void) => take(new File(["x"], name)),
  }) as unknown as FileSystemFileEntry;

/** A folder that hands out its entries two at a time, as browsers do by the hundred. */
const folderEntry = (name: string, children: FileSystemEntry[]): FileSystemDirectoryEntry =>
  ({
    name,
    isFile: false,
    isDirectory: true,
    createReader: () => {
      const rest = [...children];
      return { readEntries: (take: (entries: FileSystemEntry[]) => void) => take(rest.splice(0, 2)) };
    },
  }) as unknown as FileSystemDirectoryEntry;

const dropOf = (...entries: FileSystemEntry[]): DataTransfer =>
  ({
    items: entries.map((entry) => ({ kind: "file", webkitGetAsEntry: () => entry })),
    files: [],
  }) as unknown as DataTransfer;

describe("what is dropped", () => {
  it("is every file of every folder, with its path", async () => {
    const deep = folderEntry("handbook", [
      fileEntry("a.md"),
      fileEntry("b.md"),
      folderEntry("leave", [fileEntry("c.md")]),
      fileEntry("d.md"),
    ]);
    const found = await filesOfDrop(dropOf(deep, fileEntry("loose.pdf")));
    expect(found.map(({ path }) => path)).toEqual([
      "handbook/a.md",
      "handbook/b.md",
      "handbook/leave/c.md",
      "handbook/d.md",
      "loose.pdf",
    ]);
  });

  it("leaves out what systems leave lying about", async () => {
    const found = await filesOfDrop(dropOf(fileEntry(".DS_Store"), fileEntry("~$report.docx"), fileEntry("report.docx")));
    expect(found.map(({ path }) => path)).toEqual(["report.docx"]);
  });

  it("comes from a chooser with the path inside the chosen folder", () => {
    const file = Object.defineProperty(new File(["x"], "a.md"), "webkitRelativePath", { value: "top/a.md" });
    expect(filesOfInput([file] as unknown as FileList).map(({ path }) => path)).toEqual(["top/a.md"]);
  });
});
