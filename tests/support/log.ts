/** A node's log that tests can wait for. */

import type { LogLevel, LogSink } from "../../nodes/host/host.ts";
import { Waiters } from "./waiters.ts";

/** What a node has logged, which tests can wait for. */
export class Log implements LogSink {
  readonly lines: string[] = [];
  readonly #waiters = new Waiters();

  log(_level: LogLevel, _module: string, message: string): void {
    this.lines.push(message);
    this.#waiters.changed();
  }

  /** Forgets what was logged. */
  clear(): void {
    this.lines.length = 0;
  }

  /** Resolves when a line that matches has been logged, and forgets it and those before it. */
  async says(pattern: RegExp): Promise<void> {
    for (;;) {
      const at = this.lines.findIndex((line) => pattern.test(line));
      if (at >= 0) {
        this.lines.splice(0, at + 1);
        return;
      }
      await this.#waiters.change();
    }
  }
}
