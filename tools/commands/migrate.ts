/** `neo migrate`: neomigrate, from a FileStorage to a cluster or the reverse. */

import { existsSync } from "node:fs";
import { parseAddresses } from "../../nodes/cluster/addresses.ts";
import { expandHome, readFile } from "../files.ts";
import { interruptible } from "../interrupt.ts";
import { LOG_OPTIONS, logSink } from "../log.ts";
import { type CommandSpec, type OptionValues, parseCommandLine, UsageError } from "../options.ts";
import { ClusterOrigin } from "../transfer/cluster_origin.ts";
import { ClusterTarget } from "../transfer/cluster_target.ts";
import { openForReading, openForWriting } from "../transfer/clusters.ts";
import { FileOrigin } from "../transfer/file_origin.ts";
import { FileTarget } from "../transfer/file_target.ts";
import { transfer } from "../transfer/transfer.ts";
import { TLS_OPTIONS, tlsIdentity } from "./common.ts";
import { ZERO_TID } from "../../mod.ts";

const SPEC: CommandSpec = {
  name: "neo migrate",
  description: "Copies a FileStorage to an empty cluster, or a cluster to a FileStorage.",
  arguments: "<source> <destination>",
  interspersed: true,
  options: [
    { flags: "-c, --cluster <name>", kind: "text", help: "the cluster's name", required: true },
    { flags: "-q, --quiet", kind: "flag", help: "print nothing to standard output" },
    ...TLS_OPTIONS,
    ...LOG_OPTIONS,
  ],
  epilogue: "Source and destination are a file, and addresses of masters in one word:\n" +
    "  neo migrate -c main Data.fs 127.0.0.1:10000\n" +
    '  neo migrate -c main "127.0.0.1:10000 127.0.0.1:10001" Data.fs',
};

const WARNING =
  "WARNING: This is not the recommended way to import data to NEO: you should use the Importer " +
  "backend instead.\nNEO also does not implement IStorageRestoreable interface, which means that " +
  "undo information is not preserved when using this tool: conflict resolution could happen when " +
  "undoing an old transaction.";

/** Runs the command. Returns the exit status. */
export async function runMigrate(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values, arguments: [source, destination, ...excess] } = line;
  if (source === undefined || destination === undefined || excess.length > 0) {
    throw new UsageError("expected a source and a destination");
  }
  const quiet = values.flag("quiet");
  const isImport = existsSync(expandHome(source));
  if (isImport && !quiet) console.log(WARNING);
  if (!quiet) console.log(`Migrating from ${source} to ${destination}`);
  const start = performance.now();
  await interruptible((signal) =>
    isImport
      ? importFile(expandHome(source), destination, values, signal)
      : exportCluster(source, expandHome(destination), values, signal)
  );
  const seconds = (performance.now() - start) / 1000;
  if (!quiet) console.log(`Migration done in ${seconds.toFixed(5)}`);
  return 0;
}

async function importFile(
  path: string,
  masters: string,
  values: OptionValues,
  signal: AbortSignal,
): Promise<void> {
  using origin = await FileOrigin.open(path, { log: logSink(values), signal });
  await using client = await openForWriting(...connection(masters, values, signal));
  const target = await ClusterTarget.open(client, signal);
  await transfer(origin, target, { signal, quiet: values.flag("quiet") });
}

async function exportCluster(
  masters: string,
  path: string,
  values: OptionValues,
  signal: AbortSignal,
): Promise<void> {
  await using client = await openForReading(...connection(masters, values, signal));
  using target = new FileTarget(path, logSink(values));
  const origin = new ClusterOrigin(client, { from: ZERO_TID, to: client.lastTid }, signal);
  await transfer(origin, target, { signal, quiet: values.flag("quiet") });
  target.finish();
}

/** What `connect` takes for masters as neomigrate has them. */
function connection(masters: string, values: OptionValues, signal: AbortSignal) {
  const list = parseAddresses(masters, 0)
    .map(({ host, port }) => host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  const tls = tlsIdentity(values);
  const scheme = tls === null ? "neo" : "neos";
  const cluster = values.requiredText("cluster");
  const url = `${scheme}://${cluster}@${list.join(",")}`;
  return [url, { signal, log: logSink(values), ...(tls ?? {}) }] as const;
}
