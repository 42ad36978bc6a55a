/**
 * A client whose transactions are recorded. A workload's step is run in one of two ways: by
 * `transact`, which collects changes and runs the step again after a conflict, or phase by phase,
 * where objects are locked in the order in which the step stores them.
 */

import type { Client } from "../../../nodes/client/client.ts";
import { DeadlineError, UnknownOutcomeError } from "../../../nodes/client/errors.ts";
import type { Transaction } from "../../../nodes/client/transaction.ts";
import type { Tid } from "../../../nodes/codec/ids.ts";
import { NeoError } from "../../../nodes/errors.ts";
import type { Recorder } from "./recorder.ts";
import {
  CollectingTransaction,
  PhasedTransaction,
  type StepTransaction,
} from "./step_transaction.ts";

export type Step<T> = (tx: StepTransaction) => Promise<T>;

/**
 * How a step is run. What is given up gets through its vote, and is then aborted. Who is impatient
 * does not wait for the end of the commit; the curious ask later what became of it.
 */
export const STYLES = ["transact", "phases", "given up", "impatient", "curious"] as const;

export type Style = (typeof STYLES)[number];

/** What became of a step; a step that only reads is committed as null. */
export type Outcome<T> =
  | { readonly kind: "committed"; readonly tid: Tid | null; readonly result: T }
  | { readonly kind: "aborted" | "unknown"; readonly error: NeoError | null };

export class RecordedClient {
  readonly recorder: Recorder;
  readonly #patience: () => Promise<void>;

  /** Who is impatient ends a wait when the promise of `patience` resolves. */
  constructor(
    readonly name: string,
    readonly client: Client,
    { recorder, patience }: { readonly recorder: Recorder; readonly patience: () => Promise<void> },
  ) {
    this.recorder = recorder;
    this.#patience = patience;
    recorder.opened(name, client);
  }

  sync(): Promise<void> {
    return this.recorder.sync(this.name, this.client);
  }

  /** Runs a step. Rejects with what only the step itself can be guilty of. */
  async run<T>(style: Style, step: Step<T>): Promise<Outcome<T>> {
    if (style === "transact") return await this.#transact(step);
    return await this.runInPhases(style, step);
  }

  async #transact<T>(step: Step<T>): Promise<Outcome<T>> {
    const { recorder } = this;
    let current: string | null = null;
    let committed: Tid | null = null;
    const end = (outcome: Tid | "aborted" | "unknown") => {
      if (current !== null) recorder.end(current, outcome);
      current = null;
    };
    const description = recorder.describe(this.name);
    try {
      const result = await this.client.transact(async (tx) => {
        end("aborted");
        const name = recorder.begin(this.name, { snapshot: tx.snapshot, description });
        current = name;
        const result = await step(new CollectingTransaction(recorder, name, tx));
        recorder.finish(name);
        return result;
      }, {
        description,
        committed: (tid) => {
          committed = tid;
          end(tid);
        },
      });
      if (current !== null) recorder.readOnly(current);
      return { kind: "committed", tid: committed, result };
    } catch (error) {
      return { kind: failed(error, end), error: expected(error) };
    }
  }

  /** Runs a step that needs what only transactions in phases can do. */
  async runInPhases<T>(
    style: Style,
    step: (tx: PhasedTransaction) => Promise<T>,
  ): Promise<Outcome<T>> {
    const { client, recorder } = this;
    let end = (_: Tid | "aborted" | "unknown") => {};
    try {
      const description = recorder.describe(this.name);
      await using transaction = await client.begin({ description });
      const snapshot = client.lastTid;
      const name = recorder.begin(this.name, { snapshot, description });
      end = (outcome) => recorder.end(name, outcome);
      const tx = new PhasedTransaction(recorder, { name, client, transaction, snapshot });
      const result = await step(tx);
      if (!tx.hasWritten) {
        recorder.readOnly(name);
        return { kind: "committed", tid: null, result };
      }
      await transaction.vote();
      if (style === "given up") {
        end("aborted");
        return { kind: "aborted", error: null };
      }
      recorder.finish(name);
      const tid = await this.#finish(transaction, style);
      end(tid ?? "aborted");
      if (tid === null) return { kind: "aborted", error: null };
      return { kind: "committed", tid, result };
    } catch (error) {
      return { kind: failed(error, end), error: expected(error) };
    }
  }

  /** Resolves with the transaction's id; with null when it turned out not to be committed. */
  async #finish(transaction: Transaction, style: Style): Promise<Tid | null> {
    if (style === "phases" || style === "transact") return await transaction.finish();
    const impatience = new AbortController();
    void this.#patience().then(() => impatience.abort(new DeadlineError("enough")));
    try {
      return await transaction.finish({ signal: impatience.signal });
    } catch (error) {
      if (style !== "curious" || !(error instanceof UnknownOutcomeError)) throw error;
      // Who can't be told, since no master is found in time, knows no more than before.
      return await this.client.outcome(error.ttid).catch(() => {
        throw error;
      });
    }
  }
}

function failed(
  error: unknown,
  end: (outcome: "aborted" | "unknown") => void,
): "aborted" | "unknown" {
  const kind = error instanceof UnknownOutcomeError ? "unknown" : "aborted";
  end(kind);
  return kind;
}

/** What a client may fail with; anything else is a defect of the client or of the step. */
function expected(error: unknown): NeoError {
  if (error instanceof NeoError) return error;
  throw error;
}
