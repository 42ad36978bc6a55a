/**
 * Data that a disk has altered. The storage that has them knows which copy is wrong, and says so
 * itself: a replica that only finds two copies to differ would have to suspect both.
 */

import { NotifyPartitionCorrupted } from "../../../gen/packets.ts";
import { hexId } from "../../codec/ids.ts";
import { NeoError } from "../../errors.ts";
import type { RevisionKey } from "../backend/backend.ts";
import type { Session } from "../session.ts";

/** This node's copy of a partition has data that are not what was stored. */
export class DamagedCellError extends NeoError {
  constructor(readonly partition: number, { oid, tid }: RevisionKey) {
    super(
      `the copy of partition ${partition} here is damaged: the data of ${hexId(oid)} ` +
        `at ${hexId(tid)} are not those that were stored`,
    );
  }
}

/** Tells the master and the operator of damage, and keeps the only copy that can be read. */
export function reportDamage(session: Session, { partition, message }: DamagedCellError): void {
  const { assignment, options: { master } } = session;
  const hasOther = assignment.table.readableCells(partition)
    .some(({ nid }) => nid !== assignment.nid);
  if (hasOther) {
    session.log("ERROR", `${message}; \`neo ctl tweak\` brings it back from another copy`);
    master.notify(NotifyPartitionCorrupted, { partition, nids: [assignment.nid] });
  } else {
    session.log("ERROR", `${message}, and there is no other copy`);
  }
}
