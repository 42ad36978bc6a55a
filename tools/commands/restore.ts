/** `neo restore`: brings a backup back, as a FileStorage or to an empty cluster. */

import { MAX_TID } from "../../mod.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { readSeries, type SeriesFile } from "../backup/series.ts";
import { SeriesOrigin } from "../backup/series_origin.ts";
import { expandHome, readFile } from "../files.ts";
import { interruptible } from "../interrupt.ts";
import type { LogSink } from "../../nodes/host/host.ts";
import { LOG_OPTIONS, logSink } from "../log.ts";
import { type CommandSpec, parseCommandLine, UsageError } from "../options.ts";
import { ClusterTarget } from "../transfer/cluster_target.ts";
import { isClusterUrl, openForWriting } from "../transfer/clusters.ts";
import { FileTarget } from "../transfer/file_target.ts";
import { parseTid } from "../transfer/range.ts";
import { type Summary, summaryText, transfer } from "../transfer/transfer.ts";
import { NOWHERE } from "./verify.ts";

const SPEC: CommandSpec = {
  name: "neo restore",
  description:
    "Brings a backup back: as a FileStorage, from which a storage serves at once with the " +
    "adapter Importer, or to an empty cluster.",
  arguments: "<directory> <destination>",
  interspersed: true,
  options: [
    {
      flags: "--to <tid>",
      kind: "text",
      help: "the last transaction: a tid, or a time such as 2024-05-31T12:00:00Z",
    },
    { flags: "-q, --quiet", kind: "flag", help: "show neither progress nor result" },
    ...LOG_OPTIONS,
  ],
  epilogue: "The destination is the file to make, or a cluster such as\n" +
    "neo://main@127.0.0.1:10000.",
};

/** Runs the command. Returns the exit status. */
export async function runRestore(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values, arguments: [directory, destination, ...excess] } = line;
  if (directory === undefined || destination === undefined || excess.length > 0) {
    throw new UsageError("expected the directory of a backup, and a file or a cluster");
  }
  const bound = values.text("to");
  const to = bound === undefined ? MAX_TID : parseTid(bound, "--to");
  const files = readSeries(expandHome(directory)).filter(({ header }) => header.from <= to);
  if (files.length === 0) {
    throw new ConfigurationError(`there is no backup in ${directory}, or none up to that time`);
  }
  const quiet = values.flag("quiet");
  const origin = () => new SeriesOrigin(files, to);
  const summary = await interruptible((signal) => {
    const options = { signal, quiet, log: logSink(values) };
    if (!isClusterUrl(destination)) {
      return restoreFile(origin(), expandHome(destination), options);
    }
    return restoreCluster(files, origin(), { ...options, url: destination });
  });
  if (!quiet) console.log(`${destination}: ${summaryText(summary)}`);
  return 0;
}

interface Options {
  readonly signal: AbortSignal;
  readonly quiet: boolean;
  readonly log: LogSink;
}

async function restoreFile(
  origin: SeriesOrigin,
  path: string,
  { log, ...options }: Options,
): Promise<Summary> {
  using target = new FileTarget(path, log);
  const summary = await transfer(origin, target, options);
  target.finish();
  return summary;
}

/** A cluster takes nothing back, so that everything is checked before. */
async function restoreCluster(
  files: readonly SeriesFile[],
  origin: SeriesOrigin,
  { url, log, ...options }: Options & { readonly url: string },
): Promise<Summary> {
  await transfer(new SeriesOrigin(files), NOWHERE, options);
  await using client = await openForWriting(url, { signal: options.signal, log });
  return await transfer(origin, await ClusterTarget.open(client, options.signal), options);
}
