/** `neo admin`: runs an admin node, with neoadmin's options. */

import { startAdmin } from "../../nodes/admin/node.ts";
import { expandHome, readFile } from "../files.ts";
import { type CommandSpec, parseCommandLine } from "../options.ts";
import { runNode } from "../run_node.ts";
import { nodeOptions, nodeOptionSpecs } from "./common.ts";

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

/** Runs the command. Returns the exit status. */
export async function runAdmin(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  return await runNode(line.values, async (host) => {
    return startAdmin(
      host,
      await nodeOptions(line.values, { bindPort: 0 }, (name) => host.resolve(name)),
    );
  });
}
