/** Faults of the primary master. */

import { ZERO_TID } from "../../../nodes/codec/ids.ts";
import { Ids } from "../../../nodes/master/ids.ts";
import { Primary } from "../../../nodes/master/primary.ts";
import { Readiness } from "../../../nodes/master/readiness.ts";
import { Transactions } from "../../../nodes/master/transactions.ts";
import type { Mutant } from "./plant.ts";
import { oneIn, replace } from "./plant.ts";

export const MASTER_MUTANTS: readonly Mutant[] = [
  {
    name: "commits transactions as of their beginning",
    options: { faults: "none" },
    plant: () => replace(Ids, "newFinalTid", ({ args: [ttid] }) => ttid),
  },
  {
    name: "gives a tid twice, once in 10 times",
    options: { faults: "none", partitions: 1 },
    plant: () => {
      const repeats = oneIn(10);
      let last = ZERO_TID;
      return replace(Ids, "newFinalTid", ({ args, proceed }) => {
        if (repeats() && last >= args[0]) return last;
        return last = proceed(...args);
      });
    },
  },
  {
    name: "forgets which transaction was the last",
    options: { faults: "client" },
    plant: () => replace(Ids, "committed", () => {}),
  },
  {
    name: "does not answer to deadlocks",
    options: { workload: "contention", faults: "none" },
    plant: () => replace(Transactions, "deadlock", () => {}),
  },
  {
    name: "keeps transactions of a client that is gone",
    options: { faults: "client" },
    plant: () => replace(Transactions, "clientLost", () => {}),
  },
  {
    name: "forgets which ids are in use",
    options: { faults: "master" },
    plant: () => replace(Ids, "learn", () => {}),
  },
  {
    name: "does not tell who replicates what is pending",
    options: { faults: "storage", replicas: 1 },
    plant: () => replace(Transactions, "watch", () => []),
  },
  {
    name: "asks new cells to lock what was voted before there were any",
    options: { faults: "tweak" },
    plant: () => replace(Readiness, "hadCell", () => true),
  },
  {
    name: "commits when one of the storages has locked",
    options: { faults: "none", cacheBytes: 0, replicas: 0 },
    plant: commitEarly,
  },
  {
    name: "forgets one replica, once in 20 times",
    options: { faults: "none", storages: 3, replicas: 1 },
    plant: () => {
      const forgets = oneIn(20);
      return replace(
        Readiness,
        "wasReady",
        ({ args, proceed }) => proceed(...args) && !forgets(),
      );
    },
  },
  {
    name: "starts with what is there, be it old",
    options: { faults: "storm", masters: 1, storages: 2, replicas: 1 },
    plant: () => {
      // The cluster begins as it should.
      let begun = 0;
      return replace(Primary, "begin", ({ self, proceed }) => {
        self.startupAllowed = begun++ > 0;
        proceed();
      });
    },
  },
  {
    name: "waits on for a storage that is gone",
    options: { faults: "storage", replicas: 1 },
    plant: () => replace(Transactions, "storageLost", () => {}),
  },
];

/** A commit waits for one of its storages only, whichever is the first to have locked. */
function commitEarly(): () => void {
  return replace(Transactions, "finish", ({ self, args, proceed }) => {
    const answer = proceed(...args);
    for (const { prepared } of self.pending) {
      for (const storage of [...prepared?.waiting ?? []].slice(1)) {
        prepared?.waiting.delete(storage);
      }
    }
    return answer;
  });
}
