/** Faults about the past: undo, packing and history. Sequences of commands have to notice them. */

import { Cache } from "../../../nodes/client/cache.ts";
import { SqlData } from "../../../nodes/storage/backend/sql/data.ts";
import { SqlObjects } from "../../../nodes/storage/backend/sql/objects.ts";
import { SqlReplica } from "../../../nodes/storage/backend/sql/replica.ts";
import { SqlTransactions } from "../../../nodes/storage/backend/sql/transactions.ts";
import { then } from "../../../nodes/storage/backend/eventual.ts";
import { Transactions } from "../../../nodes/storage/transactions/transactions.ts";
import { replace } from "./plant.ts";

/** A fault, and how to plant it; planting returns what takes it out again. */
export const HISTORY_MUTANTS: readonly { readonly name: string; plant(): () => void }[] = [
  {
    name: "undoes what was changed since",
    plant: () =>
      replace(SqlObjects, "undoSerial", ({ args, proceed }) => {
        return then(
          proceed(...args),
          (serial) => serial === null ? null : { ...serial, isCurrent: true },
        );
      }),
  },
  {
    name: "undoes to the revision that is undone",
    plant: () =>
      replace(SqlObjects, "undoSerial", ({ args: [oid, undo], proceed }) => {
        return then(
          proceed(oid, undo),
          (serial) => serial === null ? null : { ...serial, undoSerial: undo.undoneTid },
        );
      }),
  },
  {
    name: "forgets what it has stored when it undoes more",
    plant: () =>
      replace(
        SqlObjects,
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
    plant: () => replace(SqlData, "prune", () => 0),
  },
  {
    name: "lists the history of an object from its beginning",
    plant: () =>
      replace(
        SqlObjects,
        "history",
        ({ args: [oid, range], proceed }) => proceed(oid, { ...range, first: 0 }),
      ),
  },
  {
    name: "lists one transaction too few",
    plant: () =>
      replace(
        SqlTransactions,
        "newest",
        ({ args, proceed }) => then(proceed(...args), (tids) => tids.slice(1)),
      ),
  },
  {
    name: "takes what has no data for what does not exist",
    plant: () =>
      replace(SqlObjects, "load", ({ args, proceed }) => {
        return then(proceed(...args), (found) => found?.value === null ? null : found);
      }),
  },
  {
    name: "replicates undos as changes",
    plant: () =>
      replace(
        SqlReplica,
        "addObjects",
        ({ args: [objects], proceed }) =>
          proceed(objects.map((object) => ({ ...object, valueTid: null }))),
      ),
  },
  {
    name: "serves the current revision from its cache for any",
    plant: () => replace(Cache, "load", ({ args: [oid], proceed }) => proceed(oid, null)),
  },
];
