/** What the storages of a backup are ordered: how far to replicate, and from where. */

import type { Nid, Tid } from "../../codec/ids.ts";

/** From where to replicate: the upstream cluster, a storage of this one, or that nothing is new. */
export type OrderSource = "UPSTREAM" | "NOTHING" | Nid;

/** What one storage is to do about one partition. */
export interface Order {
  readonly nid: Nid;
  readonly offset: number;
  readonly tid: Tid;
  readonly source: OrderSource;
}
