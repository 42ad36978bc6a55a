/** `neo verify`: reads all of a backup, and says whether it is sound. */

import { hexId } from "../../mod.ts";
import { tidTimeText } from "../../nodes/cluster/tid_time.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { readSeries } from "../backup/series.ts";
import { SeriesOrigin } from "../backup/series_origin.ts";
import { expandHome, readFile } from "../files.ts";
import { interruptible } from "../interrupt.ts";
import { type CommandSpec, parseCommandLine, UsageError } from "../options.ts";
import type { Target } from "../transfer/transaction.ts";
import { summaryText, transfer } from "../transfer/transfer.ts";

const SPEC: CommandSpec = {
  name: "neo verify",
  description: "Reads all files of a backup, and says whether they are whole and sound.",
  arguments: "<directory>",
  interspersed: true,
  options: [{ flags: "-q, --quiet", kind: "flag", help: "show neither progress nor result" }],
  epilogue: "The directory is one that `neo backup` has written to.",
};

/** Takes everything, and keeps nothing. */
export const NOWHERE: Target = {
  async write({ records }) {
    for await (const _ of records) {
      // Reading it is all that is wanted.
    }
  },
};

/** Runs the command. Returns the exit status. */
export async function runVerify(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values, arguments: [directory, ...excess] } = line;
  if (directory === undefined || excess.length > 0) {
    throw new UsageError("expected the directory of a backup");
  }
  const quiet = values.flag("quiet");
  const files = readSeries(expandHome(directory));
  if (files.length === 0) throw new ConfigurationError(`there is no backup in ${directory}`);
  const summary = await interruptible((signal) =>
    transfer(new SeriesOrigin(files), NOWHERE, { signal, quiet })
  );
  if (quiet) return 0;
  for (const { path, header: { to } } of files) {
    console.log(`${path}: sound, up to ${hexId(to)} (${tidTimeText(to)} UTC)`);
  }
  console.log(summaryText(summary));
  return 0;
}
