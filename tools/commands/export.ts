/** `neo export`: writes what a running cluster has to a FileStorage. */

import { type Tid, ZERO_TID } from "../../mod.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { expandHome, readFile } from "../files.ts";
import { interruptible } from "../interrupt.ts";
import { LOG_OPTIONS, logSink } from "../log.ts";
import { type CommandSpec, type OptionValues, parseCommandLine, UsageError } from "../options.ts";
import { ClusterOrigin } from "../transfer/cluster_origin.ts";
import { isClusterUrl, openForReading } from "../transfer/clusters.ts";
import { FileTarget } from "../transfer/file_target.ts";
import { parseTid } from "../transfer/range.ts";
import { summaryText, transfer } from "../transfer/transfer.ts";

const SPEC: CommandSpec = {
  name: "neo export",
  description:
    "Writes what a cluster has to a FileStorage, which ZODB opens. The cluster runs on; " +
    "what is committed meanwhile is left out.",
  arguments: "<cluster> <file>",
  interspersed: true,
  options: [
    {
      flags: "--from <tid>",
      kind: "text",
      help: "the first transaction: a tid, or a time such as 2024-05-31T12:00:00Z",
    },
    { flags: "--to <tid>", kind: "text", help: "the last transaction" },
    { flags: "-q, --quiet", kind: "flag", help: "show neither progress nor result" },
    ...LOG_OPTIONS,
  ],
  epilogue: "The cluster is one such as neo://main@127.0.0.1:10000. The file must not exist\n" +
    "yet.",
};

/** Runs the command. Returns the exit status. */
export async function runExport(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values, arguments: [url, path, ...excess] } = line;
  if (url === undefined || path === undefined || excess.length > 0 || !isClusterUrl(url)) {
    throw new UsageError("expected a cluster, such as neo://main@127.0.0.1:10000, and a file");
  }
  await interruptible((signal) => exportTo({ url, path: expandHome(path), values, signal }));
  return 0;
}

async function exportTo({ url, path, values, signal }: {
  readonly url: string;
  readonly path: string;
  readonly values: OptionValues;
  readonly signal: AbortSignal;
}): Promise<void> {
  const from = bound(values, "from") ?? ZERO_TID;
  const until = bound(values, "to");
  const quiet = values.flag("quiet");
  await using client = await openForReading(url, { signal, log: logSink(values) });
  const { lastTid } = client;
  const to = until === null || until > lastTid ? lastTid : until;
  if (to < from) {
    throw new ConfigurationError("there are no transactions in that range: nothing was written");
  }
  using target = new FileTarget(path, logSink(values));
  const origin = new ClusterOrigin(client, { from, to }, signal);
  const summary = await transfer(origin, target, { signal, quiet });
  target.finish();
  if (!quiet) console.log(`${path}: ${summaryText(summary)}`);
}

function bound(values: OptionValues, option: "from" | "to"): Tid | null {
  const text = values.text(option);
  return text === undefined ? null : parseTid(text, `--${option}`);
}
