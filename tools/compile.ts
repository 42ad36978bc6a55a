/**
 * `deno task compile`: one executable `neo` in dist/, and links by which it answers to the names
 * of NEO's commands. Deno downloads the runtime that it puts into executables; where it can't,
 * this says so in one line.
 */

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

/** What Deno says when it can't get its runtime for executables. */
const DOWNLOAD_FAILED = /denort|dl\.deno\.land|dns error|error sending request|client error/i;

async function main(): Promise<number> {
  const root = new URL("../", import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--allow-all",
      "--no-check",
      V8_FLAGS,
      // What a thread runs is imported by nobody.
      "--include",
      "nodes/host/checkpoint_worker.ts",
      "--include",
      "nodes/host/deflate_worker.ts",
      "--output",
      `${root}dist/neo`,
      "tools/neo.ts",
    ],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stderr } = await command.output();
  const text = new TextDecoder().decode(stderr);
  if (!success) {
    console.error(
      DOWNLOAD_FAILED.test(text)
        ? "compile: Deno could not download the runtime that it puts into executables: " +
          "run this task on a machine that reaches Deno's downloads"
        : `compile: ${text.trim().split("\n").at(-1)}`,
    );
    return 1;
  }
  for (const name of NAMES) await link(`${root}dist/${name}`);
  console.log(`wrote dist/neo, and its links ${NAMES.join(", ")}`);
  return 0;
}

async function link(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.symlink("neo", path);
}

Deno.exit(await main());
