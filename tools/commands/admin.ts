/** `neo admin`: runs an admin node, with neoadmin's options. */

import { startAdmin } from "../../nodes/admin/node.ts";
import type { NodeOptions } from "../../nodes/cluster/node.ts";
import { expandHome, readFile } from "../files.ts";
import { type CommandSpec, type OptionValues, parseCommandLine } from "../options.ts";
import { runNode } from "../run_node.ts";
import { type NodeCommand, nodeOptions, nodeOptionSpecs, type Resolve } from "./common.ts";

const SPEC: CommandSpec = {
  name: "neo admin",
  description: "Runs an admin node: `neo ctl` and neoctl ask and steer the cluster through it.",
  section: "admin",
  options: nodeOptionSpecs({
    section: "admin",
    masters: "127.0.0.1:10000",
    bind: "127.0.0.1:9999",
  }),
};

/** What an admin node is started with. */
export const ADMIN: NodeCommand = { spec: SPEC, options: adminOptions };

/** Runs the command. Returns the exit status. */
export async function runAdmin(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  return await runNode(line.values, async (host) => {
    return startAdmin(host, await adminOptions(line.values, (name) => host.resolve(name)));
  });
}

function adminOptions(values: OptionValues, resolve: Resolve): Promise<NodeOptions> {
  return nodeOptions(values, { bindPort: 0 }, resolve);
}
