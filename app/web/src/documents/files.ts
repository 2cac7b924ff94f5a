// Files out of what was dropped or chosen, folders included.

export interface NamedFile {
  file: File;
  /** Where it lay in the folder that was dropped: "handbook/leave.md". */
  path: string;
}

const CLUTTER = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

/** What a file chooser holds; of a folder, with its paths. */
export function filesOfInput(files: FileList): NamedFile[] {
  return Array.from(files)
    .map((file) => ({ file, path: file.webkitRelativePath || file.name }))
    .filter(({ file }) => !isClutter(file.name));
}

/** Every file of a drop, however deep its folders. The entries must be taken before anything waits. */
export async function filesOfDrop(data: DataTransfer): Promise<NamedFile[]> {
  const entries = Array.from(data.items, (item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const loose = Array.from(data.files);
  if (entries.every((entry) => entry === null)) return loose.map((file) => ({ file, path: file.name }));
  const found = await Promise.all(entries.filter((entry) => entry !== null).map((entry) => walk(entry, "")));
  return found.flat().filter(({ file }) => !isClutter(file.name));
}

async function walk(entry: FileSystemEntry, above: string): Promise<NamedFile[]> {
  const path = above ? `${above}/${entry.name}` : entry.name;
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path }];
  }
  if (!isFolder(entry)) return [];
  const children = await childrenOf(entry);
  const found: NamedFile[] = [];
  // one after the other: a folder of thousands must not open thousands of files at once
  for (const child of children) found.push(...(await walk(child, path)));
  return found;
}

async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // browsers hand out a hundred at a time, and an empty list at the end
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

export function isClutter(name: string): boolean {
  return CLUTTER.has(name) || name.startsWith("._") || name.startsWith("~$");
}
