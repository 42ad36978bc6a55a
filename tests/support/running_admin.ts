/** An admin node on the real host that ends with its test. */

import { startAdmin } from "../../nodes/admin/node.ts";
import type { NodeOptions, RunningNode } from "../../nodes/cluster/node.ts";
import type { Address, NodeHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { connectControl } from "./control.ts";
import { freePorts } from "./ports.ts";

/** A port of this machine, any that is free. */
export const LOOPBACK: Address = { host: "127.0.0.1", port: 0 };

/** The real host, without its log. */
export const host: NodeHost = createNodeHost({ log: { log: () => {} } });

/** A free address, where nobody listens yet. */
export function freeAddress(): Address {
  const [port = 0] = freePorts(1);
  return { ...LOOPBACK, port };
}

export class RunningAdmin implements AsyncDisposable {
  private constructor(readonly node: RunningNode) {}

  static async start(
    masters: readonly Address[],
    options: Partial<NodeOptions> = {},
  ): Promise<RunningAdmin> {
    return new RunningAdmin(
      await startAdmin(host, {
        cluster: "test",
        masters,
        bind: LOOPBACK,
        tls: null,
        dynamicMasterList: null,
        nid: null,
        ...options,
      }),
    );
  }

  get address(): Address {
    return this.node.address;
  }

  /** Connects as neoctl does. */
  connect(): Promise<Connection> {
    return connectControl(host, this.node.address);
  }

  async [Symbol.asyncDispose]() {
    await this.node.stop();
  }
}
