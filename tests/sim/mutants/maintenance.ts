/** Faults of a storage when it forgets what it is told to forget. */

import { MAX_TID } from "../../../nodes/codec/ids.ts";
import { SqlMaintenance } from "../../../nodes/storage/backend/sql/maintenance.ts";
import { Initialization } from "../../../nodes/storage/initialization.ts";
import { type Mutant, replace } from "./plant.ts";

export const MAINTENANCE_MUTANTS: readonly Mutant[] = [
  {
    name: "forgets that it has to truncate",
    options: { faults: "none", finale: "truncate" },
    plant: () => replace(Initialization, "truncate", () => {}),
  },
  {
    name: "truncates all of its partitions but one",
    options: { faults: "none", finale: "truncate", partitions: 3 },
    plant: () =>
      replace(
        SqlMaintenance,
        "truncate",
        ({ args: [offsets, pause], proceed }) => proceed(offsets.slice(1), pause),
      ),
  },
  {
    name: "packs what came after",
    options: { faults: "pack" },
    plant: () =>
      replace(
        SqlMaintenance,
        "pack",
        ({ args: [order], proceed }) => proceed({ ...order, tid: MAX_TID }),
      ),
  },
];
