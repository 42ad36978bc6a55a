/**
 * `deno task stress`: a cluster of real processes that are killed, stopped, cut off and started
 * again while clients work, after which everything is checked that a cluster promises.
 */

import { ConfigurationError } from "../../nodes/errors.ts";
import { expandHome, messageOf, readFile } from "../files.ts";
import { parseCommandLine, UsageError } from "../options.ts";
import { replayCommand, SPEC, type StressOptions, stressOptions } from "./options.ts";
import { play, type Report } from "./run.ts";

const FAILED = 1;
const MISUSED = 2;
const INTERRUPTED = 130;

class Interruption extends Error {}

/** Runs the command. Returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  let options: StressOptions;
  try {
    const line = parseCommandLine(SPEC, args, readFile, expandHome);
    if (line === null) return 0;
    options = stressOptions(line.values);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`stress: error: ${error.message} (see deno task stress --help)`);
    return MISUSED;
  }
  return await run(options);
}

async function run(options: StressOptions): Promise<number> {
  const directory = await directoryOf(options);
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new Interruption("interrupted"));
  for (const name of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(name, interrupt);
  console.log(`${replayCommand(options)}\ndatabases and logs: ${directory}`);
  let keeps = true;
  try {
    const print = (line: string) => console.log(line);
    const report = await play(options, { directory, print, signal: interruption.signal });
    console.log(reportText(report));
    keeps = options.keep;
    return 0;
  } catch (error) {
    if (error instanceof Interruption) {
      keeps = options.keep;
      console.error("stress: interrupted; nothing was checked");
      return INTERRUPTED;
    }
    console.error(`stress: FAILED: ${error instanceof Error ? error.message : error}`);
    console.error(`databases and logs are kept in ${directory}`);
    console.error(`replay: ${replayCommand(options)}`);
    return FAILED;
  } finally {
    for (const name of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(name, interrupt);
    if (!keeps && options.directory === null) await Deno.remove(directory, { recursive: true });
  }
}

/** Throws a ConfigurationError when a given directory can't be used. */
async function directoryOf({ directory }: StressOptions): Promise<string> {
  if (directory === null) return await Deno.makeTempDir({ prefix: "neo-stress-" });
  const path = expandHome(directory);
  try {
    await Deno.mkdir(path, { recursive: true });
    for await (const { name } of Deno.readDir(path)) {
      throw new ConfigurationError(`expected an empty directory, found ${name} in ${path}`);
    }
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    throw new ConfigurationError(`${path} can't be used: ${messageOf(cause)}`, { cause });
  }
  return path;
}

function reportText({ faults, counts, longestPauseMs, checked }: Report): string {
  const total = [...faults.values()].reduce((sum, count) => sum + count, 0);
  const kinds = [...faults].map(([kind, count]) => `${kind} ${count}`).join(", ");
  const work = Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ");
  return [
    `faults: ${total} (${kinds})`,
    `transactions: ${work}`,
    `longest time without a commit: ${(longestPauseMs / 1000).toFixed(1)} s`,
    `checked: ${checked.acknowledged} acknowledged transactions, ${checked.events} events, ` +
    `${checked.records} records of replicas`,
    "all is well",
  ].join("\n");
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    console.error(`stress: error: ${error.message}`);
    Deno.exit(FAILED);
  }
}
