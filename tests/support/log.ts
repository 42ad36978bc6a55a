/** A node's log that tests can wait for. */

import type { LogLevel, LogSink } from "../../nodes/host/host.ts";

/** What a node has logged, which tests can wait for. */
export class Log implements LogSink {
  readonly lines: string[] = [];
  #changed: (() => void) | null = null;

  log(_level: LogLevel, _module: string, message: string): void {
    this.lines.push(message);
    this.#changed?.();
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
      await new Promise<void>((resolve) => this.#changed = resolve);
    }
  }
}
