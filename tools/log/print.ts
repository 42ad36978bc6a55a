/** Prints what logs tell, all of them together in the order of time, as neolog does. */

import { builtInDescription, nodeName } from "./description.ts";
import type { LogEntry, LogFile } from "./log_file.ts";
import { strftime } from "./strftime.ts";

/** How entries are printed. */
export interface PrintOptions {
  /** How times are written, for strftime; an empty text for no times at all. */
  readonly dateFormat: string;
  /** What names a node: its id, its id with its cluster, or its own name. */
  readonly naming: "nid" | "cluster" | "name";
  /** Whether there is a column for the node. */
  readonly nodeColumn: boolean;
  /** The names of the nodes whose entries are printed; all when there are none. */
  readonly nodes: readonly string[];
}

/** What `neo log` prints. */
export class LogPrinter {
  readonly #options: PrintOptions;
  readonly #print: (line: string) => void;
  readonly #protocol = builtInDescription();
  /** The last second that was printed, and its text: most entries share theirs with others. */
  #second = NaN;
  #secondText = "";

  constructor(options: PrintOptions, print: (line: string) => void) {
    this.#options = options;
    this.#print = print;
  }

  /** Prints what was not read yet of all files. */
  printNew(files: readonly LogFile[]): void {
    const heads: Head[] = [];
    for (const file of files) advance(heads, { file, entries: file.read() });
    for (;;) {
      const [first, ...others] = heads;
      if (first === undefined) return;
      const next = others.reduce((a, b) => b.entry.date < a.entry.date ? b : a, first);
      heads.splice(heads.indexOf(next), 1);
      this.#entry(next);
      advance(heads, next);
    }
  }

  #entry({ file, entry }: Head): void {
    const { nodes, nodeColumn } = this.#options;
    const node = this.#nodeName(entry) ?? file.defaultName;
    if (nodes.length > 0 && !nodes.includes(node)) return;
    const column = nodeColumn ? `${node.padEnd(10)} ` : "";
    const prefix = `${this.#date(entry.date)}${entry.level.padEnd(9)} ${column}`;
    for (const line of entry.lines) this.#print(prefix + line);
  }

  #nodeName({ node }: LogEntry): string | null {
    if (node === null) return null;
    const { naming } = this.#options;
    if (node.nid === null || naming === "name") return node.name;
    const id = nodeName(this.#protocol, node.nid);
    return naming === "cluster" ? `${node.cluster}/${id}` : id;
  }

  #date(date: number): string {
    const { dateFormat } = this.#options;
    if (dateFormat === "") return "";
    const second = Math.floor(date);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = strftime(dateFormat, new Date(second * 1000));
    }
    const fraction = Math.floor((date - second) * 10_000);
    return `${this.#secondText}.${String(fraction).padStart(4, "0")} `;
  }
}

/** A file and its next entry. */
interface Head extends Source {
  readonly entry: LogEntry;
}

interface Source {
  readonly file: LogFile;
  readonly entries: Iterator<LogEntry>;
}

/** Puts a file among the heads again, unless it has no more entries. */
function advance(heads: Head[], { file, entries }: Source): void {
  const next = entries.next();
  if (!next.done) heads.push({ file, entries, entry: next.value });
}
