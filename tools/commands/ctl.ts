/** `neo ctl`: neoctl's commands, sent to an admin node. */

import { parseAddress } from "../../nodes/cluster/addresses.ts";
import { createClientHost } from "../../nodes/host/client.ts";
import { ctl, CTL_HELP } from "../ctl/ctl.ts";
import { expandHome, readFile } from "../files.ts";
import { LOG_OPTIONS, logSink } from "../log.ts";
import { type CommandSpec, parseCommandLine } from "../options.ts";
import { resolveAddress, TLS_OPTIONS, tlsIdentity } from "./common.ts";

const DEFAULT_PORT = 9999;

const SPEC: CommandSpec = {
  name: "neo ctl",
  description: "Asks and steers a cluster through its admin node.",
  arguments: "[command...]",
  options: [
    {
      flags: "-a, --address <address>",
      kind: "text",
      help: "address of the admin node",
      default: `127.0.0.1:${DEFAULT_PORT}`,
    },
    ...TLS_OPTIONS,
    ...LOG_OPTIONS,
  ],
  epilogue: CTL_HELP,
};

/** Runs the command. Returns the exit status. */
export async function runControl(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const { values } = line;
  const host = createClientHost({ log: logSink(values) });
  const network = host.network(tlsIdentity(values));
  const address = await resolveAddress(
    parseAddress(values.requiredText("address"), DEFAULT_PORT),
    (name) => host.resolve(name),
  );
  return await ctl(host, network, address, line.arguments, {
    print: (text) => console.log(text),
    error: (text) => console.error(text),
  });
}
