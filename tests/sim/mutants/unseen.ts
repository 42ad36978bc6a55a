/** Faults of a storage that no client would ever see by what it reads. */

import { ZERO_TID } from "../../../nodes/codec/ids.ts";
import { SqlPending } from "../../../nodes/storage/backend/sql/pending.ts";
import { ClientService } from "../../../nodes/storage/clients/client_service.ts";
import { StorageService } from "../../../nodes/storage/links/storage_service.ts";
import { type Mutant, oneIn, replace } from "./plant.ts";

export const UNSEEN_MUTANTS: readonly Mutant[] = [
  {
    name: "forgets what transactions say of themselves",
    options: { faults: "none" },
    plant: () =>
      replace(SqlPending, "vote", ({ args: [vote], proceed }) => {
        const { metadata } = vote;
        if (metadata === null) return proceed(vote);
        proceed({ ...vote, metadata: { ...metadata, description: new Uint8Array() } });
      }),
  },
  {
    name: "stumbles over one store in 100",
    options: { faults: "storage" },
    plant: () => {
      const stumbles = oneIn(100);
      return replace(ClientService, "askStoreObject", ({ args, proceed }) => {
        if (stumbles()) throw new TypeError("this is not a function");
        return proceed(...args);
      });
    },
  },
  {
    name: "takes replicas for corrupted that are not",
    options: { faults: "orders", replicas: 1, storages: 3 },
    plant: () =>
      replace(StorageService, "askCheckTIDRange", () => ({
        count: 0,
        checksum: new Uint8Array(20),
        maxTid: ZERO_TID,
      })),
  },
];
