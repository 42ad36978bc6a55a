/** `neo log`: shows the logs of nodes, with neolog's options and output. */

import { ConfigurationError } from "../../nodes/errors.ts";
import { setTimer } from "../../nodes/host/timers.ts";
import { expandHome, readFile } from "../files.ts";
import { requestFlush } from "../log/flush_signal.ts";
import { LogFile } from "../log/log_file.ts";
import { LogPrinter } from "../log/print.ts";
import { parseSince } from "../log/since.ts";
import { type CommandSpec, type OptionValues, parseCommandLine, UsageError } from "../options.ts";

/** The value of `--node` that hides the column. */
const NO_COLUMN = "-";

/** How much a compressed file holds at most, unless the user allows more, in MiB. */
const MAX_PLAIN_MIB = 1024;

/** Bytes that are gathered before they are written. */
const WRITE_LENGTH = 1 << 16;

const SPEC: CommandSpec = {
  name: "neo log",
  description: "Shows the logs of nodes, those of NEO 1.11 too, in the order of time. Nothing in " +
    "a log is ever run.",
  arguments: "<file...>",
  interspersed: true,
  options: [
    { flags: "-a, --all", kind: "flag", help: "show the arguments of packets" },
    {
      flags: "-A, --decompress",
      kind: "flag",
      help: "show the arguments of packets, with object data decompressed",
    },
    {
      flags: "-d, --date <format>",
      kind: "text",
      help: "how dates are written, as for strftime(3); '' for none",
      default: "%F %T",
      mayBeEmpty: true,
    },
    { flags: "-f, --follow", kind: "flag", help: "show what is appended, until Ctrl-C" },
    {
      flags: "-F, --flush <pid>",
      kind: "integer",
      help: "with -f, make this process write out its log each time (may be repeated)",
      repeatable: true,
    },
    {
      flags: "-n, --node <node>",
      kind: "text",
      help: "show only what this node wrote (may be repeated); '-' hides the column",
      repeatable: true,
    },
    {
      flags: "-s, --sleep-interval <seconds>",
      kind: "number",
      help: "with -f, how long to wait between two looks",
      default: "1.0",
    },
    {
      flags: "--from <time>",
      kind: "text",
      help:
        "show what is not older than this time: seconds since 1970, -seconds before now, or a date",
    },
    {
      flags: "--max-size <MiB>",
      kind: "integer",
      help: "refuse compressed files that hold more than this",
      default: String(MAX_PLAIN_MIB),
    },
    { flags: "-C, --cluster", kind: "flag", help: "show the cluster with the node" },
    { flags: "-N, --no-nid", kind: "flag", help: "show the name of the node instead of its id" },
  ],
  epilogue: "Files may be compressed: .gz, .bz2, .xz, .zst.",
};

/** Runs the command. Returns the exit status. */
export async function runLog(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values } = line;
  const intervalMs = (values.number("sleep-interval") ?? 1) * 1000;
  if (intervalMs <= 0) throw new UsageError("sleep_interval must be positive");
  if (values.flag("cluster") && values.flag("no-nid")) {
    throw new UsageError("argument -N/--no-nid: not allowed with argument -C/--cluster");
  }
  const maxPlainBytes = (values.integer("max-size") ?? MAX_PLAIN_MIB) * (1 << 20);
  if (maxPlainBytes <= 0) throw new UsageError("argument --max-size: must be positive");
  const since = values.text("from");
  const options = {
    shown: values.flag("decompress") ? "decompressed" : values.flag("all") ? "raw" : "none",
    from: since === undefined ? 0 : parseSince(since, Date.now() / 1000),
    maxPlainBytes,
  } as const;
  const files: LogFile[] = [];
  try {
    for (const path of line.arguments) files.push(await LogFile.open(path, options));
    return await show(values, files, intervalMs);
  } finally {
    for (const file of files) file.close();
  }
}

async function show(
  values: OptionValues,
  files: readonly LogFile[],
  intervalMs: number,
): Promise<number> {
  const output = new Output();
  const nodes = values.texts("node");
  const printer = new LogPrinter({
    dateFormat: values.requiredText("date"),
    naming: values.flag("no-nid") ? "name" : values.flag("cluster") ? "cluster" : "nid",
    nodeColumn: !nodes.includes(NO_COLUMN),
    nodes: nodes.filter((node) => node !== NO_COLUMN),
  }, (text) => output.line(text));
  try {
    printer.printNew(files);
    output.flush();
    if (!values.flag("follow")) return 0;
    const interrupted = Promise.withResolvers<"interrupted">();
    Deno.addSignalListener("SIGINT", () => interrupted.resolve("interrupted"));
    for (;;) {
      for (const pid of values.texts("flush")) requestFlush(processId(pid));
      if (await Promise.race([sleep(intervalMs), interrupted.promise])) return 0;
      printer.printNew(files);
      output.flush();
    }
  } catch (error) {
    // Whoever read has seen enough.
    if (error instanceof Deno.errors.BrokenPipe) return 1;
    throw error;
  }
}

function processId(text: string): number {
  const pid = Number(text);
  // Others would mean all processes, or a group of them.
  if (Number.isSafeInteger(pid) && pid > 0) return pid;
  throw new ConfigurationError(
    `argument -F/--flush: expected the id of a process, found '${text}'`,
  );
}

function sleep(intervalMs: number): Promise<null> {
  return new Promise((resolve) => {
    setTimer(intervalMs, () => resolve(null), { keepsProcess: true });
  });
}

/** Standard output, written in large pieces. */
class Output {
  #lines: string[] = [];
  #length = 0;

  line(text: string): void {
    this.#lines.push(text, "\n");
    this.#length += text.length + 1;
    if (this.#length >= WRITE_LENGTH) this.flush();
  }

  flush(): void {
    const bytes = new TextEncoder().encode(this.#lines.join(""));
    this.#lines = [];
    this.#length = 0;
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  }
}
