/** Where the log lines of a command go: standard error from a level on, and all of it to a file. */

import { createConsoleLog } from "../nodes/host/log.ts";
import type { LogLevel, LogSink } from "../nodes/host/host.ts";
import { ConfigurationError } from "../nodes/errors.ts";
import { expandHome, messageOf } from "./files.ts";
import type { OptionSpec, OptionValues } from "./options.ts";

export const LOG_LEVELS: readonly LogLevel[] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

export const LOG_OPTIONS: readonly OptionSpec[] = [
  { flags: "-l, --logfile <file>", kind: "path", help: "append all log lines to this file" },
  {
    flags: "--log-level <level>",
    kind: "text",
    help: "least level of the lines on standard error",
    choices: LOG_LEVELS,
    default: "WARNING",
  },
];

/** A sink for standard error alone, from `minimum` on. */
export function stderrLog(minimum: LogLevel): LogSink {
  return createConsoleLog({ minimum, now: Date.now });
}

/** The sink that the options ask for. */
export function logSink(values: OptionValues): LogSink {
  const level = values.requiredText("log-level");
  const stderr = stderrLog(LOG_LEVELS.find((known) => known === level) ?? "WARNING");
  const path = values.text("logfile");
  if (path === undefined) return stderr;
  const file = createConsoleLog({
    minimum: "DEBUG",
    now: Date.now,
    write: appendTo(expandHome(path)),
  });
  return {
    log(level, module, message) {
      stderr.log(level, module, message);
      file.log(level, module, message);
    },
  };
}

function appendTo(path: string): (lines: string) => void {
  try {
    const file = Deno.openSync(path, { append: true, create: true });
    return (lines) => {
      const bytes = new TextEncoder().encode(lines);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    };
  } catch (cause) {
    throw new ConfigurationError(`${path} can't be written: ${messageOf(cause)}`, { cause });
  }
}
