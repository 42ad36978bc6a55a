/** Faults about the past: undo, packing and history. Sequences of commands have to notice them. */

import { Cache } from "../../../nodes/client/cache.ts";
import { SqliteData } from "../../../nodes/storage/backend/sqlite/data.ts";
import { SqliteObjects } from "../../../nodes/storage/backend/sqlite/objects.ts";
import { SqliteReplica } from "../../../nodes/storage/backend/sqlite/replica.ts";
import { SqliteTransactions } from "../../../nodes/storage/backend/sqlite/transactions.ts";
import { Transactions } from "../../../nodes/storage/transactions/transactions.ts";
import { replace } from "./plant.ts";

/** A fault, and how to plant it; planting returns what takes it out again. */
export const HISTORY_MUTANTS: readonly { readonly name: string; plant(): () => void }[] = [
  {
    name: "undoes what was changed since",
    plant: () =>
      replace(SqliteObjects, "undoSerial", ({ args, proceed }) => {
        const serial = proceed(...args);
        return serial === null ? null : { ...serial, isCurrent: true };
      }),
  },
  {
    name: "undoes to the revision that is undone",
    plant: () =>
      replace(SqliteObjects, "undoSerial", ({ args: [oid, undo], proceed }) => {
        const serial = proceed(oid, undo);
        return serial === null ? null : { ...serial, undoSerial: undo.undoneTid };
      }),
  },
  {
    name: "forgets what it has stored when it undoes more",
    plant: () =>
      replace(
        SqliteObjects,
        "undoSerial",
        ({ args: [oid, undo], proceed }) => proceed(oid, { ...undo, pending: undefined }),
      ),
  },
  {
    name: "packs what an undo that is pending needs",
    plant: () => replace(Transactions, "moved", () => false),
  },
  {
    name: "keeps the data of packed revisions",
    plant: () => replace(SqliteData, "prune", () => 0),
  },
  {
    name: "lists the history of an object from its beginning",
    plant: () =>
      replace(
        SqliteObjects,
        "history",
        ({ args: [oid, range], proceed }) => proceed(oid, { ...range, first: 0 }),
      ),
  },
  {
    name: "lists one transaction too few",
    plant: () =>
      replace(SqliteTransactions, "newest", ({ args, proceed }) => proceed(...args).slice(1)),
  },
  {
    name: "takes what has no data for what does not exist",
    plant: () =>
      replace(SqliteObjects, "load", ({ args, proceed }) => {
        const found = proceed(...args);
        return found?.value === null ? null : found;
      }),
  },
  {
    name: "replicates undos as changes",
    plant: () =>
      replace(
        SqliteReplica,
        "addObject",
        ({ args: [object], proceed }) => proceed({ ...object, valueTid: null }),
      ),
  },
  {
    name: "serves the current revision from its cache for any",
    plant: () => replace(Cache, "load", ({ args: [oid], proceed }) => proceed(oid, null)),
  },
];
