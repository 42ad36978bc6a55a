/** Faults of a client. */

import { MAX_TID } from "../../../nodes/codec/ids.ts";
import { Cache } from "../../../nodes/client/cache.ts";
import { Conflicts } from "../../../nodes/client/conflicts.ts";
import { Finisher } from "../../../nodes/client/finish.ts";
import { Loads } from "../../../nodes/client/loads.ts";
import { View } from "../../../nodes/client/view.ts";
import { Writer } from "../../../nodes/client/writer.ts";
import { Writes } from "../../../nodes/client/writes.ts";
import { type Mutant, oneIn, replace } from "./plant.ts";

const CACHED = { faults: "none", cacheBytes: 20 << 20 } as const;

export const CLIENT_MUTANTS: readonly Mutant[] = [
  {
    name: "keeps in its cache what was changed",
    options: CACHED,
    plant: () => replace(Cache, "invalidate", () => {}),
  },
  {
    name: "misses one invalidation in 10",
    options: CACHED,
    plant: () => {
      const misses = oneIn(10);
      return replace(View, "invalidate", ({ args, proceed }) => {
        if (!misses()) proceed(...args);
      });
    },
  },
  {
    name: "takes one invalidation in 10 for one of fewer objects",
    options: CACHED,
    plant: () => {
      const misses = oneIn(10);
      return replace(
        View,
        "invalidate",
        ({ args: [tid, oids], proceed }) => proceed(tid, misses() ? oids.slice(1) : oids),
      );
    },
  },
  {
    name: "caches as current what was changed while it was loaded",
    options: CACHED,
    plant: () =>
      replace(View, "endLoad", ({ args: [load, revision], proceed }) => {
        load.changes.length = 0;
        return proceed(load, revision);
      }),
  },
  {
    name: "keeps its cache when it connects anew",
    options: { faults: "master", cacheBytes: 20 << 20 },
    plant: () => replace(Cache, "clearCurrent", () => {}),
  },
  {
    name: "does not learn of its own commits",
    options: CACHED,
    plant: () => replace(View, "committed", () => {}),
  },
  {
    name: "reads beyond its snapshot",
    options: { faults: "none" },
    plant: () =>
      replace(
        Loads,
        "loadBefore",
        ({ args: [oid, _, options], proceed }) => proceed(oid, MAX_TID, options),
      ),
  },
  {
    name: "stores its own data again after a conflict",
    options: { workload: "counters", faults: "none" },
    plant: () =>
      replace(Conflicts, "resolve", ({ args: [{ data }] }) => {
        return Promise.resolve(data ?? new Uint8Array());
      }),
  },
  {
    name: "takes no notice of conflicts",
    options: { workload: "contention", faults: "none" },
    plant: () =>
      replace(
        Writes,
        "answered",
        ({ args: [write, nid, { partition }], proceed }) =>
          proceed(write, nid, { partition, conflict: null }),
      ),
  },
  {
    name: "takes no notice of what a rebase gives back",
    options: { workload: "contention", faults: "none" },
    plant: () => replace(Writes, "rebased", () => {}),
  },
  {
    name: "does not answer to deadlocks",
    options: { workload: "contention", faults: "none" },
    plant: () => replace(Writer, "deadlock", () => {}),
  },
  {
    name: "takes a commit whose answer was lost for none",
    options: { faults: "connection", workload: "logs", clients: 8 },
    plant: () => replace(Finisher, "outcome", () => Promise.resolve(null)),
  },
];
