/**
 * `deno task compile`: one executable `neo` in dist/, and links by which it answers to the names
 * of NEO's commands. Deno downloads the runtime that it puts into executables, or takes that of
 * $DENORT_BIN; where it can't, this says so in one line.
 */

import { resolve } from "node:path";
import { V8_FLAGS } from "./v8_flags.ts";

const NAMES = [
  "neomaster",
  "neostorage",
  "neoadmin",
  "neoctl",
  "neolog",
  "neosimple",
  "neomigrate",
];

/** What threads run, which nobody imports: modules that an executable would otherwise lack. */
export const WORKERS = ["nodes/host/checkpoint_worker.ts", "nodes/host/deflate_worker.ts"] as const;

/** What Deno says when it can't get its runtime for executables. */
const DOWNLOAD_FAILED = /denort|dl\.deno\.land|dns error|error sending request|client error/i;

const ROOT = new URL("../", import.meta.url).pathname;

/** Makes the executable and its links in a directory. Returns the exit status. */
async function main([directory = `${ROOT}dist`, ...excess]: readonly string[]): Promise<number> {
  if (excess.length > 0) {
    console.error("compile: expected at most one argument, the directory of the executable");
    return 2;
  }
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--allow-all",
      "--no-check",
      V8_FLAGS,
      ...WORKERS.flatMap((path) => ["--include", path]),
      "--output",
      resolve(`${directory}/neo`),
      "tools/neo.ts",
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stderr } = await command.output();
  const text = new TextDecoder().decode(stderr);
  if (!success) {
    console.error(
      DOWNLOAD_FAILED.test(text)
        ? "compile: Deno could not download the runtime that it puts into executables: run this " +
          "task on a machine that reaches Deno's downloads, or name a denort in $DENORT_BIN"
        : `compile: ${text.trim().split("\n").at(-1)}`,
    );
    return 1;
  }
  for (const name of NAMES) await link(`${directory}/${name}`);
  console.log(`wrote ${directory}/neo, and its links ${NAMES.join(", ")}`);
  return 0;
}

async function link(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.symlink("neo", path);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
