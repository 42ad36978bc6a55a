/**
 * The file that keeps the known masters from one run of a node to the next: a JSON list of pairs
 * of host and port, in any order. It only saves operators from naming all masters everywhere, so
 * once it could be read and written at the start, a failure to write it is no more than logged.
 */

import { ConfigurationError, NeoError } from "../errors.ts";
import type { Address, NodeHost } from "../host/host.ts";
import type { MasterList } from "./master_list.ts";

const MAX_PORT = 0xffff;

/** What is needed of the outside: clients, which have no NodeHost, keep such a file as well. */
type Files = Pick<NodeHost, "readTextFile" | "writeTextFile" | "log">;

/**
 * Adds the masters of the file to the list, and keeps the file up to date from then on. Creates a
 * file that does not exist. Throws a ConfigurationError when it can't be created, can't be read or
 * is not such a list.
 */
export function openDynamicMasterList(host: Files, path: string, masters: MasterList): void {
  const text = host.readTextFile(path);
  if (text === null) host.writeTextFile(path, "[]");
  for (const address of text === null ? [] : parse(path, text)) masters.add(address);
  masters.onChange((addresses) => {
    try {
      host.writeTextFile(path, format(addresses));
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      host.log.log("ERROR", "masters", `the known masters are not saved: ${error.message}`);
    }
  });
}

function format(addresses: readonly Address[]): string {
  return JSON.stringify(addresses.map(({ host, port }) => [host, port]));
}

function parse(path: string, text: string): Address[] {
  const unreadable = (cause?: unknown) =>
    new ConfigurationError(
      `expected in ${path} a list such as [["127.0.0.1", 10000]], found something else: ` +
        "repair or remove it",
      { cause },
    );
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw unreadable(error);
  }
  if (!Array.isArray(list)) throw unreadable();
  return list.map((entry: unknown) => {
    if (!Array.isArray(entry) || entry.length !== 2) throw unreadable();
    const [host, port]: unknown[] = entry;
    if (typeof host !== "string" || host === "") throw unreadable();
    if (typeof port !== "number" || !Number.isInteger(port)) throw unreadable();
    if (port < 0 || port > MAX_PORT) throw unreadable();
    return { host, port };
  });
}
