/** What the log says of an import: how much is done, how fast, and how long it will take. */

import { durationText } from "../../../cluster/duration_text.ts";
import type { ClientHost } from "../../../host/host.ts";
import type { Past } from "./past.ts";

/** How often the log says it. */
const INTERVAL_MS = 5000;

export class Report {
  readonly #host: ClientHost;
  readonly #totalBytes: number;
  readonly #startBytes: number;
  readonly #startMs: number;
  #toldMs: number;
  /** How many objects were imported in this run. */
  objects = 0;

  /** @param position where the import begins or goes on, in bytes of all sources */
  constructor(host: ClientHost, past: Past, position: number) {
    this.#host = host;
    this.#totalBytes = past.sources.reduce((sum, { reader: { end } }) => sum + end, 0);
    this.#startBytes = position;
    this.#startMs = host.monotonic();
    this.#toldMs = this.#startMs;
    const done = percent(position, this.#totalBytes);
    const paths = past.sources.map(({ reader: { path } }) => path).join(", ");
    host.log.log("INFO", "importer", `importing ${paths}: ${done} done before`);
  }

  /** Tells how far it is, from time to time. */
  tell(nowMs: number, position: number): void {
    if (nowMs - this.#toldMs < INTERVAL_MS) return;
    this.#toldMs = nowMs;
    const elapsedMs = nowMs - this.#startMs;
    const done = position - this.#startBytes;
    const leftMs = done === 0 ? 0 : (this.#totalBytes - position) * (elapsedMs / done);
    this.#host.log.log(
      "INFO",
      "importer",
      `${percent(position, this.#totalBytes)} imported, ${this.#rate(elapsedMs)}, ` +
        `${durationText(leftMs)} left`,
    );
  }

  /** Tells that it is done. */
  end(nowMs: number): void {
    const elapsedMs = nowMs - this.#startMs;
    const what = `${this.objects} objects in ${durationText(elapsedMs)}, ${this.#rate(elapsedMs)}`;
    this.#host.log.log("INFO", "importer", `imported ${what}`);
  }

  #rate(elapsedMs: number): string {
    return `${Math.round(this.objects / Math.max(elapsedMs, 1) * 1000)} objects/s`;
  }
}

function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 100 : part / whole * 100).toFixed(1)}%`;
}
