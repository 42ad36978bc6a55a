/**
 * The masters that a node knows of, in the order in which it tries them. It only has to name one
 * that lives: the others are learnt from it. A node may keep the list in a file (`onChange`).
 */

import type { Address } from "../host/host.ts";
import { addressText } from "./addresses.ts";

/** Masters that one node remembers at most: a peer can't fill its memory with addresses. */
export const MAX_MASTERS = 1000;

export class MasterList {
  readonly #masters = new Map<string, Address>();
  #onChange: ((masters: readonly Address[]) => void) | null = null;

  constructor(masters: readonly Address[]) {
    for (const address of masters) this.#masters.set(addressText(address), address);
  }

  get addresses(): readonly Address[] {
    return [...this.#masters.values()];
  }

  /** Calls back with the whole list each time it has changed. */
  onChange(listener: (masters: readonly Address[]) => void): void {
    this.#onChange = listener;
  }

  has(address: Address): boolean {
    return this.#masters.has(addressText(address));
  }

  /** Adds a master; does nothing when it is known, or too many are. */
  add(address: Address): void {
    const key = addressText(address);
    if (this.#masters.has(key) || this.#masters.size >= MAX_MASTERS) return;
    this.#masters.set(key, address);
    this.#onChange?.(this.addresses);
  }

  remove(address: Address): void {
    if (this.#masters.delete(addressText(address))) this.#onChange?.(this.addresses);
  }

  /** The master to try after `previous`, round and round. Undefined when the list is empty. */
  after(previous: Address | null): Address | undefined {
    const all = this.addresses;
    const text = previous === null ? null : addressText(previous);
    const at = all.findIndex((address) => addressText(address) === text);
    return all[(at + 1) % all.length];
  }
}
