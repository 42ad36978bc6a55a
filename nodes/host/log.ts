/**
 * The console log of a node. As text it has the format of NEO 1.11, so that what reads its nodes'
 * output can read ours: local time, level, node, `[module:line]`, message. Where Python gives the
 * number of a source line we have none that would help anybody: it is always 0. As JSON it is one
 * object a line, for programs.
 */

import { writeAll } from "./files.ts";
import type { LogLevel, LogSink } from "./host.ts";

const STDERR = 2;

const LEVELS: readonly LogLevel[] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

export type ConsoleLogFormat = "text" | "json";

export interface ConsoleLogOptions {
  /** How lines look; text by default. */
  readonly format?: ConsoleLogFormat;
  /** The least level that is written; WARNING by default, as with NEO. */
  readonly minimum?: LogLevel;
  /** The name of the program. */
  readonly name?: string;
  /** What a node of this id is called. */
  readonly nodeName?: (nid: number) => string;
  /** Unix time in milliseconds. */
  now(): number;
  /** Takes the lines; standard error by default. */
  readonly write?: (lines: string) => void;
}

/** Makes a sink that writes to standard error. */
export function createConsoleLog(options: ConsoleLogOptions): LogSink {
  const { format = "text", minimum = "WARNING", name = "NEO" } = options;
  const { nodeName = String, now, write = writeToStderr } = options;
  const least = LEVELS.indexOf(minimum);
  // Who speaks, once that is known: part of each JSON line.
  let identity = {};
  return {
    identified(cluster, nid) {
      identity = { cluster, node: nodeName(nid) };
    },
    log(level, module, message) {
      if (LEVELS.indexOf(level) < least) return;
      if (format === "json") {
        const time = new Date(now()).toISOString();
        return write(`${JSON.stringify({ time, level, ...identity, module, message })}\n`);
      }
      const prefix = `${localTime(now())} ${level.padEnd(9)} ${name.padEnd(10)} ` +
        `[${module.padStart(14)}:  0] `;
      write(message.split("\n").map((line) => `${prefix}${line}\n`).join(""));
    },
  };
}

/** `2026-11-24 09:48:41.8733` */
function localTime(timeMs: number): string {
  const time = new Date(timeMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  const fraction = String(Math.floor(timeMs * 10) % 10_000).padStart(4, "0");
  return `${date} ${clock}.${fraction}`;
}

function writeToStderr(lines: string): void {
  try {
    writeAll(STDERR, new TextEncoder().encode(lines));
  } catch {
    // A log that nobody takes any more is no reason to stop a node.
  }
}
