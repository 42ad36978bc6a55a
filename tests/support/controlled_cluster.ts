/** Running `neo ctl` commands in this process, on an admin node that follows a scripted master. */

import assert from "node:assert/strict";
import type { Address } from "../../nodes/host/host.ts";
import { ctl } from "../../tools/ctl/ctl.ts";
import { host, RunningAdmin } from "./running_admin.ts";
import { type ScriptedCluster, ScriptedMaster } from "./scripted_master.ts";

/** What a command printed on each of its outputs, and its exit status. */
export interface Result {
  readonly status: number;
  readonly out: string[];
  readonly error: string[];
}

/** A command that printed one line (or several as one). */
export function printed(line: string): Result {
  return { status: 0, out: [line], error: [] };
}

/** A command that failed. */
export function complained(line: string): Result {
  return { status: 1, out: [], error: [line] };
}

/** A command that had nothing to say. */
export const SILENT: Result = { status: 0, out: [], error: [] };

/** Runs a command, its words separated by spaces, on the admin node at `admin`. */
export async function runAt(admin: Address, command: string): Promise<Result> {
  const out: string[] = [];
  const error: string[] = [];
  const words = command.split(" ").filter((word) => word !== "");
  const status = await ctl(host, host.network(null), admin, words, {
    print: (line) => out.push(line),
    error: (line) => error.push(line),
  });
  return { status, out, error };
}

/** An admin that follows a scripted master, for the time of one test. */
export class ControlledCluster implements AsyncDisposable {
  private constructor(readonly master: ScriptedMaster, readonly admin: RunningAdmin) {}

  static async start(cluster: Partial<ScriptedCluster> = {}): Promise<ControlledCluster> {
    const master = await ScriptedMaster.start(host, cluster);
    const admin = await RunningAdmin.start([master.address]);
    await master.followed();
    return new ControlledCluster(master, admin);
  }

  run(command: string): Promise<Result> {
    return runAt(this.admin.address, command);
  }

  /** What a command prints when all goes well. */
  async prints(command: string): Promise<string> {
    const { status, out, error } = await this.run(command);
    assert.deepEqual({ status, error, lines: out.length }, { status: 0, error: [], lines: 1 });
    return out[0] ?? "";
  }

  async [Symbol.asyncDispose]() {
    await this.admin[Symbol.asyncDispose]();
    this.master[Symbol.dispose]();
  }
}
