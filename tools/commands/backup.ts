/** `neo backup`: writes what was committed since the last backup of a cluster. */

import { type Client, hexId, type Tid, tid, ZERO_TID } from "../../mod.ts";
import { parseClusterUrl } from "../../nodes/client/url.ts";
import { NotFoundError } from "../../nodes/client/errors.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { beginNext, fileName, readSeries, type SeriesFile } from "../backup/series.ts";
import { BackupWriter } from "../backup/writer.ts";
import { expandHome, readFile } from "../files.ts";
import { interruptible } from "../interrupt.ts";
import { LOG_OPTIONS, logSink } from "../log.ts";
import { type CommandSpec, type OptionValues, parseCommandLine, UsageError } from "../options.ts";
import { ClusterOrigin } from "../transfer/cluster_origin.ts";
import { isClusterUrl, openForReading } from "../transfer/clusters.ts";
import { summaryText, transfer } from "../transfer/transfer.ts";

const SPEC: CommandSpec = {
  name: "neo backup",
  description: "Writes what was committed since the last backup to a new file in a directory. " +
    "The cluster runs on. `neo verify` checks the files, `neo restore` brings them back.",
  arguments: "<cluster> <directory>",
  interspersed: true,
  options: [
    { flags: "-q, --quiet", kind: "flag", help: "show neither progress nor result" },
    ...LOG_OPTIONS,
  ],
  epilogue: "The cluster is one such as neo://main@127.0.0.1:10000.",
};

/** Runs the command. Returns the exit status. */
export async function runBackup(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values, arguments: [url, directory, ...excess] } = line;
  if (url === undefined || directory === undefined || excess.length > 0 || !isClusterUrl(url)) {
    throw new UsageError(
      "expected a cluster, such as neo://main@127.0.0.1:10000, and a directory",
    );
  }
  await interruptible((signal) => backUp(url, expandHome(directory), values, signal));
  return 0;
}

async function backUp(
  url: string,
  directory: string,
  values: OptionValues,
  signal: AbortSignal,
): Promise<void> {
  using next = beginNext(directory);
  const last = readSeries(directory).at(-1) ?? null;
  const { cluster } = parseClusterUrl(url);
  const quiet = values.flag("quiet");
  await using client = await openForReading(url, { signal, log: logSink(values) });
  if (last !== null) await checkSame(client, last, { cluster, signal });
  const from = last === null ? ZERO_TID : tid(last.header.to + 1n);
  const to = client.lastTid;
  if (to < from || to === ZERO_TID) {
    if (!quiet) console.log("there is nothing new since the last backup");
    return;
  }
  const path = `${directory}/${fileName({ from, to })}`;
  const header = { cluster, from, to, previous: last?.digest ?? null };
  const writer = new BackupWriter(next, header);
  const origin = new ClusterOrigin(client, { from, to }, signal);
  const summary = await transfer(origin, writer, { signal, quiet });
  writer.finish(path);
  if (!quiet) console.log(`${path}: ${summaryText(summary)}`);
}

/** Throws when a cluster is not the one, or no longer the one, that was backed up before. */
async function checkSame(
  client: Client,
  { path, header }: SeriesFile,
  { cluster, signal }: { readonly cluster: string; readonly signal: AbortSignal },
): Promise<void> {
  if (header.cluster !== cluster) {
    throw new ConfigurationError(
      `${path} is a backup of the cluster '${header.cluster}', and not of '${cluster}': ` +
        "choose another directory",
    );
  }
  if (await exists(client, header.to, signal)) return;
  throw new ConfigurationError(
    `the cluster does not have the transaction ${hexId(header.to)}, with which ${path} ends: it ` +
      "was truncated, or is another one. Begin a new backup in an empty directory",
  );
}

async function exists(client: Client, id: Tid, signal: AbortSignal): Promise<boolean> {
  if (id > client.lastTid) return false;
  try {
    await client.transaction(id, { signal });
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) return false;
    throw error;
  }
}
