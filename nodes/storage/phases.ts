/**
 * The phases of a storage that a primary master has identified: it does not operate, or it does.
 * Each has its own handlers; changing the phase changes the receiver of the master's packets.
 */

import { masterToStorageInitialization, masterToStorageOperation } from "../../gen/flows.ts";
import { Initialization } from "./initialization.ts";
import { Operation } from "./operation.ts";
import { Session, type SessionOptions } from "./session.ts";

/** What a session needs, but for what the phases give it. */
export type PhasesOptions = Omit<
  SessionOptions,
  "startOperation" | "stopOperation" | "clientGone"
>;

export class Phases {
  readonly session: Session;
  #operation: Operation | null = null;

  /** Starts a session, without operation. */
  constructor(options: PhasesOptions) {
    this.session = new Session({
      ...options,
      startOperation: (start) => this.#start(start),
      stopOperation: () => this.#stop(),
      clientGone: (nid) => this.#operation?.transactions.abortOf(nid, { evenVoted: true }),
    });
    this.#initialize();
  }

  /** The operation that is going on; null while there is none, and nobody is served. */
  get operation(): Operation | null {
    return this.#operation;
  }

  #initialize(): void {
    const { master } = this.session.options;
    master.setReceiver(masterToStorageInitialization(new Initialization(this.session)));
  }

  #start(options: { readonly backup: boolean }): void {
    const { master, fatal } = this.session.options;
    const operation = new Operation(this.session);
    this.#operation = operation;
    master.setReceiver(masterToStorageOperation(operation));
    operation.start(options).catch((error) => fatal(error));
  }

  #stop(): void {
    this.#endOperation();
    this.#initialize();
  }

  #endOperation(): void {
    this.#operation?.stop();
    this.#operation = null;
    this.session.closePeers();
  }

  /** The master is lost. */
  end(): void {
    this.session.end();
    this.#endOperation();
  }
}
