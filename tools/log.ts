/**
 * Where the log of a command goes: to standard error, from a level on, and to a log file in NEO's
 * format, which has everything, packets too.
 */

import { Buffer } from "node:buffer";
import { neo_1_11_log } from "../gen/neo_1_11_log.ts";
import { nidText } from "../nodes/cluster/node_ids.ts";
import { nid } from "../nodes/codec/ids.ts";
import { NeoError } from "../nodes/errors.ts";
import { createClock } from "../nodes/host/clock.ts";
import type { LogLevel, LogSink } from "../nodes/host/host.ts";
import { type ConsoleLogFormat, createConsoleLog } from "../nodes/host/log.ts";
import { LogRecorder } from "../nodes/host/log_recorder.ts";
import { setTimer } from "../nodes/host/timers.ts";
import { expandHome } from "./files.ts";
import type { OptionSpec, OptionValues } from "./options.ts";

export const LOG_LEVELS: readonly LogLevel[] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

const FORMATS: readonly ConsoleLogFormat[] = ["text", "json"];

/** How the lines on standard error look. */
export const LOG_FORMAT_OPTION: OptionSpec = {
  flags: "--log-format <format>",
  kind: "text",
  help: "how the lines on standard error look",
  choices: FORMATS,
  default: "text",
};

export const LOG_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "-l, --logfile <file>",
    kind: "path",
    help: "record messages and packets for this file; `neo log` shows it",
  },
  {
    flags: "--log-level <level>",
    kind: "text",
    help: "least level of the lines on standard error",
    choices: LOG_LEVELS,
    default: "WARNING",
  },
  LOG_FORMAT_OPTION,
];

/** A sink for standard error alone, from `minimum` on. */
export function stderrLog(minimum: LogLevel, format: ConsoleLogFormat = "text"): LogSink {
  return createConsoleLog({ format, minimum, now: Date.now, nodeName: (id) => nidText(nid(id)) });
}

/** The sink that the options ask for; its log file gets each record at once. */
export function logSink(values: OptionValues): LogSink {
  return new CommandLog(values, { immediate: true }).sink;
}

/** The log of a command that goes on for long. */
export class CommandLog {
  readonly sink: LogSink;
  readonly #file: LogRecorder | null;

  /**
   * Opens what the options ask for. With `immediate` nothing is kept in memory. Throws a
   * ConfigurationError when the log file can't be used.
   */
  constructor(values: OptionValues, { immediate = false }: { readonly immediate?: boolean } = {}) {
    const level = values.requiredText("log-level");
    const format = values.requiredText("log-format");
    const stderr = stderrLog(
      LOG_LEVELS.find((known) => known === level) ?? "WARNING",
      FORMATS.find((known) => known === format) ?? "text",
    );
    const path = values.text("logfile");
    this.#file = path === undefined ? null : new LogRecorder({
      path: expandHome(path),
      protocol: Buffer.from(neo_1_11_log.text, "base64"),
      immediate,
      now: createClock(),
      setTimer,
      complain: (reason) => stderr.log("WARNING", "log", `${path}: ${reason}`),
    });
    this.sink = this.#file === null ? stderr : both(stderr, this.#file);
  }

  get hasFile(): boolean {
    return this.#file !== null;
  }

  /** Begins a new log file, because the old one was renamed. */
  reopen(): void {
    this.#file?.reopen();
  }

  /** Writes out what led to an error, and the error, which the user is told in another way. */
  failed(error: unknown): void {
    const stack = error instanceof NeoError || !(error instanceof Error) ? undefined : error.stack;
    const message = stack ?? (error instanceof Error ? error.message : String(error));
    this.#file?.log("CRITICAL", "main", message);
  }

  /** To be called in the end. What led to a warning or to an error was written already. */
  close(): void {
    this.#file?.close();
  }
}

/** The log file gets a line first: what is told on standard error can then be looked up in it. */
function both(stderr: LogSink, file: LogRecorder): LogSink {
  return {
    log(level, module, message) {
      file.log(level, module, message);
      stderr.log(level, module, message);
    },
    packet: (direction, peer, frame) => file.packet(direction, peer, frame),
    identified(cluster, id) {
      file.identified(cluster, id);
      stderr.identified?.(cluster, id);
    },
    flush: () => file.flush(),
  };
}
