/** Faults of a storage. */

import { setImmediate } from "node:timers";
import { tid as asTid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import { Assignment } from "../../../nodes/storage/assignment.ts";
import { then } from "../../../nodes/storage/backend/eventual.ts";
import { Connection } from "../../../nodes/storage/backend/sqlite/connection.ts";
import { SqlData } from "../../../nodes/storage/backend/sql/data.ts";
import { SqlObjects } from "../../../nodes/storage/backend/sql/objects.ts";
import { SqlPending } from "../../../nodes/storage/backend/sql/pending.ts";
import { SqlReplica } from "../../../nodes/storage/backend/sql/replica.ts";
import { ClientService } from "../../../nodes/storage/clients/client_service.ts";
import { Operation } from "../../../nodes/storage/operation.ts";
import { Pass } from "../../../nodes/storage/replication/pass.ts";
import { CatchingUp } from "../../../nodes/storage/transactions/catching_up.ts";
import { ReadLocks } from "../../../nodes/storage/transactions/read_locks.ts";
import { Transactions } from "../../../nodes/storage/transactions/transactions.ts";
import { WaitingQueue } from "../../../nodes/storage/transactions/waiting_queue.ts";
import { WriteLocks } from "../../../nodes/storage/transactions/write_locks.ts";
import { type Mutant, oneIn, replace } from "./plant.ts";

/** Many commits at the same time: a loss of power finds some that are being written. */
const POWER = {
  faults: "power",
  workload: "logs",
  clients: 8,
  pauseMs: 0,
  replicas: 0,
  storages: 3,
  partitions: 5,
} as const;

/** Commits that take their time while their partitions move. */
const MOVING = {
  faults: "tweak",
  finale: "none",
  workload: "logs",
  clients: 8,
  pauseMs: 100,
  storages: 2,
  partitions: 2,
} as const;

export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    name: "skips the conflict check",
    options: { workload: "contention", faults: "none" },
    plant: () => replace(SqlObjects, "lastTid", () => null),
  },
  {
    name: "skips the conflict check of one object in 50",
    options: { workload: "contention", faults: "none" },
    plant: () => {
      const skips = oneIn(50);
      return replace(
        SqlObjects,
        "lastTid",
        ({ args, proceed }) => skips() ? null : proceed(...args),
      );
    },
  },
  {
    name: "gives a lock that another transaction holds",
    options: { workload: "contention", faults: "none" },
    plant: () =>
      replace(WriteLocks, "lock", ({ args, proceed }) => {
        const outcome = proceed(...args);
        return outcome === "wait" ? "locked" : outcome;
      }),
  },
  {
    name: "does not check that an object is current",
    options: { workload: "pairs", faults: "none" },
    plant: () => replace(ClientService, "askCheckCurrentSerial", () => ({ conflict: null })),
  },
  {
    name: "finds no conflict when a transaction is rebased",
    options: { workload: "contention", faults: "none" },
    plant: () => replace(ClientService, "askRebaseObject", () => ({ conflict: null })),
  },
  {
    name: "forgets locks when a transaction is rebased",
    options: { workload: "contention", faults: "none" },
    plant: () => replace(ClientService, "askRebaseTransaction", () => ({ oids: [] })),
  },
  {
    name: "reads what is being committed",
    options: { faults: "none", cacheBytes: 0 },
    plant: () => replace(ReadLocks, "isLocked", () => false),
  },
  {
    name: "says that it has locked before it has",
    options: { faults: "none", cacheBytes: 0 },
    plant: lockLater,
  },
  {
    name: "answers before the disk has what was committed",
    options: POWER,
    plant: () =>
      replace(Connection, "commit", ({ proceed }) => {
        void proceed();
        return Promise.resolve();
      }),
  },
  {
    name: "answers a vote before the disk has it",
    options: POWER,
    plant: () => {
      const undo = [
        replace(Transactions, "vote", ({ args, proceed }) => void proceed(...args)),
        replace(Connection, "committed", () => undefined),
      ];
      return () => undo.forEach((undo) => undo());
    },
  },
  {
    name: "answers a lock before the disk has it",
    options: POWER,
    plant: () => replace(Transactions, "lock", ({ args, proceed }) => void proceed(...args)),
  },
  {
    name: "forgets at its start what was voted",
    options: { faults: "power" },
    plant: () => replace(SqlPending, "list", () => new Map()),
  },
  {
    name: "does not finish what the verification says was committed",
    options: { faults: "power" },
    plant: () => replace(SqlPending, "validate", () => {}),
  },
  {
    name: "keeps what was not committed at its start",
    options: { faults: "power" },
    plant: () => replace(SqlPending, "dropAll", () => {}),
  },
  {
    name: "leaves rows of transactions that were aborted",
    options: { faults: "client" },
    plant: () => replace(SqlPending, "abort", () => {}),
  },
  {
    name: "leaves data of transactions that were aborted",
    options: { faults: "none" },
    plant: () => replace(SqlData, "discard", () => {}),
  },
  {
    name: "makes visible what was aborted",
    options: { faults: "none" },
    plant: makeVisible,
  },
  {
    name: "keeps locks of transactions that were aborted",
    options: { workload: "contention", faults: "none" },
    plant: () => replace(Transactions, "abort", () => {}),
  },
  {
    name: "keeps transactions of a client that is gone",
    options: { workload: "contention", faults: "client" },
    plant: () => replace(Transactions, "abortOf", () => {}),
  },
  {
    name: "lets who waits for a lock wait on",
    options: { workload: "contention", faults: "none" },
    plant: () => replace(WaitingQueue, "run", () => {}),
  },
  {
    name: "does not say that a revision is followed by another one",
    options: { faults: "none", cacheBytes: 20 << 20 },
    plant: () =>
      replace(SqlObjects, "load", ({ args, proceed }) => {
        return then(
          proceed(...args),
          (found) => found === null ? null : { ...found, nextTid: null },
        );
      }),
  },
  {
    name: "loads the last revision, not that before a tid",
    options: { faults: "none", cacheBytes: 0 },
    plant: () =>
      replace(
        SqlObjects,
        "load",
        ({ args: [oid, { at }], proceed }) => proceed(oid, { at, before: null }),
      ),
  },
  {
    name: "loses one write in 50",
    options: { faults: "none", replicas: 1 },
    plant: () => {
      const loses = oneIn(50);
      return replace(
        ClientService,
        "askStoreObject",
        ({ args, proceed }) => loses() ? { conflict: null } : proceed(...args),
      );
    },
  },
  {
    name: "loses one replicated revision in 20",
    options: { faults: "storage", replicas: 1 },
    plant: () => {
      const loses = oneIn(20);
      return replace(
        SqlReplica,
        "addObjects",
        ({ args: [objects], proceed }) => proceed(objects.filter(() => !loses())),
      );
    },
  },
  {
    name: "replicates nothing",
    options: { faults: "storage", replicas: 1 },
    plant: () => replace(Pass, "run", () => Promise.resolve(true)),
  },
  {
    name: "drops writes to a cell that is being replicated",
    options: { faults: "storage", replicas: 1 },
    plant: () =>
      replace(WriteLocks, "lock", ({ args, proceed }) => {
        const outcome = proceed(...args);
        return outcome === "lockless" ? "unreadable" : outcome;
      }),
  },
  {
    name: "does not wait for what is pending before it calls a cell complete",
    options: { ...MOVING, workload: "bank", clients: 10 },
    plant: () => replace(CatchingUp, "settle", ({ args: [locks], proceed }) => proceed(locks, [])),
  },
  {
    name: "reads and locks in cells that are not complete",
    options: { faults: "tweak" },
    plant: () => replace(Assignment, "isReadable", () => true),
  },
  {
    name: "moves revisions by a tid that is too great",
    options: { faults: "none" },
    plant: () =>
      replace(
        SqlPending,
        "unlock",
        ({ args: [unlocked], proceed }) =>
          proceed({ ...unlocked, tid: asTid(unlocked.tid + 1n), hasMetadata: false }),
      ),
  },
  {
    name: "says that stores have no lock",
    options: { workload: "counters", faults: "none" },
    plant: () =>
      replace(ClientService, "askStoreObject", ({ args, proceed }) => {
        void proceed(...args);
        return { conflict: ZERO_TID };
      }),
  },
];

/** A lock is answered at once, and taken some events later; an unlock waits for that. */
function lockLater(): () => void {
  const EVENTS = 60;
  const locked = new WeakMap<Operation, Promise<unknown>>();
  const later = async () => {
    for (let event = 0; event < EVENTS; event++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const undo = [
    replace(Operation, "askLockInformation", ({ self, args: [packet], proceed }) => {
      locked.set(self, later().then(() => proceed(packet)));
      return { ttid: packet.ttid };
    }),
    replace(Operation, "notifyUnlockInformation", ({ self, args, proceed }) => {
      locked.get(self)?.then(() => proceed(...args));
    }),
  ];
  return () => undo.forEach((undo) => undo());
}

/** An abort of a transaction that has voted ends like a commit, as its ttid. */
function makeVisible(): () => void {
  return replace(Transactions, "abort", ({ self, args: [ttid], proceed }) => {
    const transaction = self.get(ttid);
    if (transaction === undefined || !transaction.voted || transaction.tid !== null) {
      return proceed(ttid);
    }
    void self.lock({ ttid, tid: ttid });
    self.unlock(ttid);
  });
}
