/** A node as a process that is killed, stopped and started again, on the same data. */

import { fileURLToPath } from "node:url";
import type { Address } from "../../nodes/host/host.ts";
import { Child } from "../../tests/support/process.ts";
import { V8_FLAGS } from "../v8_flags.ts";
import type { Proxy } from "./proxy.ts";

export type Role = "master" | "storage" | "admin";

const NEO = fileURLToPath(new URL("../neo.ts", import.meta.url));

/** Runs a command whose standard error is appended to a file, which is named first. */
const APPENDING = ["sh", "-c", 'exec "$@" 2>> "$0"'];

/** How much of a log a message shows, in characters. */
const TAIL_CHARACTERS = 2000;

/** How long a node may take to end when it is asked to. */
const TERMINATION_MS = 20_000;

export interface ManagedNodeOptions {
  readonly name: string;
  readonly role: Role;
  /** The options of its command. */
  readonly args: readonly string[];
  /** The file to which what it tells is appended. */
  readonly logFile: string;
  /** Where it really listens. */
  readonly inner: Address;
  /** What stands before it; null for an admin, to which only this program connects. */
  readonly proxy: Proxy | null;
  /** Told when the process ends that nobody has ended. */
  died(node: ManagedNode): void;
}

export class ManagedNode {
  readonly #options: ManagedNodeOptions;
  #child: Child | null = null;
  #isStopped = false;

  constructor(options: ManagedNodeOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get role(): Role {
    return this.#options.role;
  }

  get inner(): Address {
    return this.#options.inner;
  }

  get proxy(): Proxy | null {
    return this.#options.proxy;
  }

  /** Whether its process is there, even if it is stopped by SIGSTOP. */
  get isThere(): boolean {
    return this.#child !== null;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  start(): void {
    if (this.#child !== null) return;
    const { name, role, args, died, logFile } = this.#options;
    // The end of this program ends the nodes, however it comes.
    const words = ["run", "-A", "--quiet", V8_FLAGS, NEO, role, ...args, "--until-input-ends"];
    const argv = [...APPENDING, logFile, Deno.execPath(), ...words];
    const child = Child.start(argv, { name, env: { NO_COLOR: "1" } });
    this.#child = child;
    void child.exited.then(() => {
      if (this.#child !== child) return;
      this.#child = null;
      died(this);
    });
  }

  /** The end of what it has told. */
  tail(): string {
    return Deno.readTextFileSync(this.#options.logFile).slice(-TAIL_CHARACTERS);
  }

  /** Ends it with SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#taken();
    await child?.kill();
  }

  /** Ends it with SIGTERM. Rejects when it does not end, or complains. */
  async terminate(): Promise<void> {
    const child = this.#taken();
    if (child === null) return;
    child.signal("SIGTERM");
    const { code, signal } = await child.waitForExit(TERMINATION_MS);
    // A process that is just starting does not listen to signals yet.
    if (signal === "SIGTERM") return;
    if (code !== 0) throw new Error(`${this.name} ended with status ${code}:\n${this.tail()}`);
  }

  /** Waits until it has ended because the cluster has told it to. */
  async ends(): Promise<void> {
    await this.#taken()?.waitForExit(TERMINATION_MS);
  }

  pause(): void {
    this.#isStopped = this.#child !== null;
    this.#child?.signal("SIGSTOP");
  }

  resume(): void {
    this.#isStopped = false;
    this.#child?.signal("SIGCONT");
  }

  /** The process, of whose end nobody is told any more. */
  #taken(): Child | null {
    const child = this.#child;
    this.#child = null;
    this.#isStopped = false;
    return child;
  }
}
