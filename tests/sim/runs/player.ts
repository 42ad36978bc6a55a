/** Plays runs in a worker, so that several cores are used and a run that goes mad ends alone. */

import type { RunOptions } from "./options.ts";
import { play, type RunCounts } from "./run.ts";

/** A run to play. */
export interface RunOrder {
  readonly options: RunOptions;
  /** A file for all that happens. */
  readonly log?: string;
}

/** What came of it. */
export interface PlayedRun {
  readonly counts: RunCounts;
  readonly failure: string | null;
}

async function played({ options, log }: RunOrder): Promise<PlayedRun> {
  try {
    const counts = await play(options, (lines) => {
      if (log !== undefined) Deno.writeTextFileSync(log, lines.join("\n"));
    });
    return { counts, failure: null };
  } catch (error) {
    return { counts: {}, failure: String(error instanceof Error ? error.stack : error) };
  }
}

// Each order comes with the port that its answer goes to.
addEventListener("message", (event) => {
  if (!(event instanceof MessageEvent)) return;
  const [port] = event.ports;
  void played(event.data).then((run) => port?.postMessage(run));
});
