/** `neo packet decode` and `neo packet encode`. */

import { parseCommandLine, UsageError } from "../options.ts";
import { expandHome, readFile } from "../files.ts";
import { runPacket } from "../packet.ts";

const SPEC = {
  name: "neo packet",
  description: "Decodes packets (lines of hex) to JSON, or encodes JSON lines to packets. " +
    "Reads standard input and writes standard output.",
  options: [],
  arguments: "[mode]",
  epilogue: "Modes: decode, encode",
} as const;

/** Runs the command. Returns the exit status. */
export async function runPackets(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const [mode, ...excess] = line.arguments;
  if ((mode !== "decode" && mode !== "encode") || excess.length > 0) {
    throw new UsageError(`expected decode or encode, found '${line.arguments.join(" ")}'`);
  }
  return await runPacket(mode, Deno.stdin.readable, {
    print: (text) => console.log(text),
    error: (text) => console.error(text),
  });
}
