/**
 * Which cell to replicate next, and from which storage: any readable cell of another node that
 * runs, or the one that the master has ordered. A storage that failed is left alone for a while.
 */

import { sameAddress } from "../../cluster/addresses.ts";
import { nidText } from "../../cluster/node_ids.ts";
import type { NeoError } from "../../errors.ts";
import type { Timer } from "../../host/host.ts";
import { PeerError } from "../../wire/refusal.ts";
import type { Target } from "../links/links.ts";
import type { Session } from "../session.ts";
import type { Cells } from "./cells.ts";
import { RETRY_MS } from "./limits.ts";

/** What to replicate, and from where. */
export interface Choice {
  readonly offset: number;
  readonly target: Target;
}

export interface SourcesOptions {
  readonly session: Session;
  readonly cells: Cells;
  /** Called when a storage that was left alone may be tried again. */
  retry(): void;
}

export class Sources {
  readonly #options: SourcesOptions;
  /** Until when a storage, or one of its cells, is left alone. */
  readonly #avoided = new Map<string, number>();
  #timer: Timer | null = null;

  constructor(options: SourcesOptions) {
    this.#options = options;
  }

  /** The best choice; null when there is nothing to replicate, or nowhere to do it from. */
  choose(): Choice | null {
    const { session: { options: { host } }, cells } = this.#options;
    const now = host.monotonic();
    for (const [key, until] of this.#avoided) if (until <= now) this.#avoided.delete(key);
    let isAvoided = false;
    for (const offset of cells.wanted()) {
      const choices = this.#targets(offset).map((target): Choice => ({ offset, target }));
      const free = choices.filter((choice) => this.#isFree(choice));
      isAvoided ||= free.length < choices.length;
      const choice = free[Math.floor(host.random() * free.length)];
      if (choice !== undefined) return choice;
    }
    if (isAvoided) this.#retryLater();
    return null;
  }

  #targets(offset: number): Target[] {
    const { session: { assignment, nodes, options: { cluster } }, cells } = this.#options;
    const source = cells.source(offset);
    if (source === undefined) {
      return assignment.table.readableCells(offset).flatMap(({ nid }) => {
        const node = nid === assignment.nid ? undefined : nodes.get(nid);
        const address = node?.state === "RUNNING" ? node.address : null;
        return address === null ? [] : [{ nid, address, cluster }];
      });
    }
    const { address } = source;
    if (source.cluster !== "") return [{ nid: null, address, cluster: source.cluster }];
    const node = nodes.list("STORAGE").find((node) => sameAddress(node.address, address));
    const isOther = node !== undefined && node.nid !== assignment.nid;
    return isOther ? [{ nid: node.nid, address, cluster }] : [];
  }

  /** Whether a choice is still one: the master may have ordered another source. */
  isStill({ offset, target }: Choice): boolean {
    const source = this.#options.cells.source(offset);
    if (source === undefined) return target.nid !== null;
    return sameAddress(source.address, target.address) &&
      (source.cluster === "" ? target.nid !== null : source.cluster === target.cluster);
  }

  #isFree(choice: Choice): boolean {
    return !this.#avoided.has(storageKey(choice)) && !this.#avoided.has(cellKey(choice));
  }

  /** A storage, or only its cell, could not be replicated from. */
  failed(choice: Choice, error: NeoError): void {
    const isCell = error instanceof PeerError && error.code === "REPLICATION_ERROR";
    const until = this.#options.session.options.host.monotonic() + RETRY_MS;
    this.#avoided.set(isCell ? cellKey(choice) : storageKey(choice), until);
  }

  #retryLater(): void {
    if (this.#timer !== null) return;
    const { session, retry } = this.#options;
    this.#timer = session.options.host.setTimer(RETRY_MS, () => {
      this.#timer = null;
      retry();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#avoided.clear();
  }
}

function storageKey({ target: { nid, address } }: Choice): string {
  return nid === null ? `${address.host} ${address.port}` : nidText(nid);
}

function cellKey(choice: Choice): string {
  return `${storageKey(choice)} ${choice.offset}`;
}
