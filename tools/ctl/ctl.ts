/**
 * `neo ctl` without its options: takes a command apart, runs it, and turns what comes of it into
 * lines and an exit status that are those of neoctl 1.11, but that a mistake costs one line and
 * never a stack.
 */

import {
  ConfigurationError,
  ConnectionClosedError,
  NeoError,
  NetworkError,
} from "../../nodes/errors.ts";
import type { Address, ClientHost, Network } from "../../nodes/host/host.ts";
import { PeerError } from "../../nodes/wire/refusal.ts";
import { AdminSession } from "./admin_session.ts";
import { type Command, COMMANDS } from "./commands.ts";

/** Where lines go: results (and that there is no admin) to one place, complaints to the other. */
export interface Output {
  print(line: string): void;
  error(line: string): void;
}

/** All commands and what they mean. */
export const CTL_HELP = helpText();

/**
 * Runs one command on the cluster of the admin node at `admin`. Returns the exit status: 0 for
 * success and where the cluster can't be reached, 1 for a mistake or a refusal.
 */
export async function ctl(
  host: ClientHost,
  network: Network,
  admin: Address,
  command: readonly string[],
  out: Output,
): Promise<number> {
  const session = new AdminSession({ host, network, admin });
  try {
    const text = await runCtl(command, session);
    if (text !== null) out.print(text);
    return 0;
  } catch (error) {
    if (!(error instanceof NeoError)) throw error;
    host.log.log("INFO", "ctl", error.message);
    const unreachable = unreachableText(error);
    if (unreachable !== null) {
      out.print(`ERROR: ${unreachable}`);
      return 0;
    }
    out.error(error instanceof InvalidCommand ? error.message : `error: ${error.message}`);
    return 1;
  } finally {
    session.close();
  }
}

function unreachableText(error: NeoError): string | null {
  if (error instanceof NetworkError) return "not connected";
  if (error instanceof ConnectionClosedError) return "Connection closed";
  return error instanceof PeerError && error.code === "NOT_READY" ? error.message : null;
}

class InvalidCommand extends ConfigurationError {}

/**
 * Runs one command. Resolves with what it prints, null for nothing. Rejects with a
 * ConfigurationError for a mistake in it, or as {@link AdminSession.ask} does.
 */
export async function runCtl(
  words: readonly string[],
  admin: AdminSession,
): Promise<string | null> {
  const [name, ...rest] = words;
  if (name === undefined) return CTL_HELP;
  const entry = own(COMMANDS, name);
  if (entry === undefined) throw invalid(words);
  if (!("group" in entry)) return await runCommand(name, entry, rest, admin);
  const [second, ...args] = rest;
  if (second === undefined) {
    const names = Object.keys(entry.group).join(", ");
    throw new ConfigurationError(`expected one of ${names} after ${name}`);
  }
  const command = own(entry.group, second);
  if (command === undefined) throw invalid(words);
  return await runCommand(`${name} ${second}`, command, args, admin);
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function invalid(words: readonly string[]): InvalidCommand {
  return new InvalidCommand(`invalid command: ${words.join(" ")}`);
}

function runCommand(
  name: string,
  command: Command,
  args: readonly string[],
  admin: AdminSession,
): Promise<string | null> {
  if (args.length < (command.least ?? 0) || args.length > command.most) {
    const parameters = command.parameters?.[0] ?? "nothing";
    throw new ConfigurationError(
      `expected ${parameters} after ${name}, found ${args.join(" ") || "nothing"}`,
    );
  }
  return command.run(args, admin);
}

function helpText(): string {
  const lines = ["Available commands:"];
  for (const [name, entry] of Object.entries(COMMANDS)) {
    lines.push(name);
    if ("group" in entry) {
      for (const [second, command] of Object.entries(entry.group)) {
        lines.push(`  ${second}`, ...commandHelp(command).map((line) => `    ${line}`));
      }
    } else lines.push(...commandHelp(entry).map((line) => `  ${line}`));
  }
  lines.push(
    "TID arguments can be either integers or timestamps as floats, e.g. '257684787499560686', " +
      "'0x3937af2eeeeeeee' or '1325421296.' for 2012-01-01 12:34:56 UTC",
  );
  return lines.join("\n");
}

function commandHelp({ help, parameters }: Command): string[] {
  if (parameters === undefined) return [...help];
  const [words, ...meanings] = parameters;
  return [...help, `Parameters: ${words}`, ...meanings.map((meaning) => `  ${meaning}`)];
}
