/**
 * What a commit waits for when a storage is lost that has perhaps not locked it. The others may
 * have locked it before they heard that they are the only ones now. If all died before they saved
 * the table that says so, the one that was lost would count as complete again, and the cluster
 * could go on with it alone. So each of them has to answer something that it was asked after that
 * table: what a storage was told before is on its disk by then.
 */

import { AskFinalTID } from "../../gen/packets.ts";
import { askNode } from "./ask.ts";
import type { Saving, Transaction } from "./transaction.ts";
import type { Turn } from "./turn.ts";

/** The storages were told of the loss. Calls back each time that one has saved the table. */
export function awaitSaved(
  turn: Turn,
  { ttid, prepared }: Transaction,
  saved: () => void,
): void {
  if (prepared === null) return;
  for (const storage of prepared.involved) {
    const saving: Saving = { storage };
    prepared.saving.add(saving);
    const answered = () => {
      if (prepared.saving.delete(saving)) saved();
    };
    // One whose cell can't be read refuses, after it has saved the table as well.
    askNode(turn, storage, AskFinalTID, { ttid }, answered, answered);
  }
}
