/**
 * Runs one node as this process: starts it, stops it in order on SIGTERM and SIGINT, and turns
 * its end into an exit status.
 */

import { parseAddress } from "../nodes/cluster/addresses.ts";
import type { RunningNode } from "../nodes/cluster/node.ts";
import type { Address, Network, NodeHost } from "../nodes/host/host.ts";
import { createNodeHost } from "../nodes/host/node.ts";
import { keepDebuggerShut } from "../nodes/host/signals.ts";
import { CommandLog } from "./log.ts";
import type { OptionValues } from "./options.ts";

/** Runs the node that `start` gives. Returns the exit status once it has ended. */
export async function runNode(
  values: OptionValues,
  start: (host: NodeHost) => Promise<RunningNode>,
): Promise<number> {
  const log = new CommandLog(values);
  // A defect ends the process elsewhere: what led to it must be in the log by then.
  addEventListener("unhandledrejection", ({ reason }) => log.failed(reason));
  addEventListener("error", ({ error }) => log.failed(error));
  try {
    return await run(nodeHost(values, log), values, start);
  } catch (error) {
    log.failed(error);
    throw error;
  } finally {
    log.close();
  }
}

async function run(
  host: NodeHost,
  values: OptionValues,
  start: (host: NodeHost) => Promise<RunningNode>,
): Promise<number> {
  const stopping = stopRequested(host, values.flag("until-input-ends"));
  const starting = start(host);
  // A node that is still starting is ended as it is: it has acknowledged nothing.
  const node = await Promise.race([starting, stopping]);
  if (node === undefined) return 0;
  void stopping.then(() => node.stop());
  // As a warning it is told everywhere, and the log file gets what led to this state.
  const dump = () => host.log.log("WARNING", "state", ["state:", ...node.describe()].join("\n"));
  host.onSignal(["SIGQUIT"], dump);
  await node.ended;
  return 0;
}

function nodeHost(values: OptionValues, log: CommandLog): NodeHost {
  const host = createNodeHost({ log: log.sink });
  keepDebuggerShut((delayMs, callback) => void host.setTimer(delayMs, callback));
  host.onSignal(["SIGUSR2"], () => log.sink.flush?.());
  // Where there is nothing to begin anew, a node ends with its terminal like any other program.
  if (log.hasFile || !Deno.stdin.isTerminal()) host.onSignal(["SIGHUP"], () => log.reopen());
  const listen = values.text("listen");
  if (listen === undefined) return host;
  const hidden = parseAddress(listen, 0);
  return { ...host, network: (tls) => behindProxy(host.network(tls), hidden) };
}

/** A network whose listeners are somewhere else than their peers believe. */
function behindProxy(network: Network, hidden: Address): Network {
  return {
    connect: (address) => network.connect(address),
    async listen(address, events) {
      const listener = await network.listen(hidden, events);
      return { address, close: () => listener.close() };
    },
  };
}

/** Resolves when this process is asked to stop. */
function stopRequested(host: NodeHost, untilInputEnds: boolean): Promise<undefined> {
  return new Promise((resolve) => {
    const stop = () => resolve(undefined);
    host.onSignal(["SIGTERM", "SIGINT"], stop);
    if (untilInputEnds) void drainInput().then(stop);
  });
}

async function drainInput(): Promise<void> {
  for await (const _chunk of Deno.stdin.readable) {
    // What the parent writes does not matter: only that it is there.
  }
}
