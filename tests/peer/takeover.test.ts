/** Databases of one kind of storage, opened in place by the other: see takeover.ts. */
import { ours, peerGroup, real } from "./peer.ts";
import { takeOver } from "./takeover.ts";

const NEO_TO_OURS = { writer: real, reader: ours };
const OURS_TO_NEO = { writer: ours, reader: real };

peerGroup("databases", {
  "NEO's, then ours, 1 storage": takeOver({ ...NEO_TO_OURS, storages: 1, crash: false }),
  "NEO's, then ours, 2 replicas": takeOver({ ...NEO_TO_OURS, storages: 2, crash: false }),
  "NEO's, then ours, crashed, 1 storage": takeOver({ ...NEO_TO_OURS, storages: 1, crash: true }),
  "NEO's, then ours, crashed, 2 replicas": takeOver({ ...NEO_TO_OURS, storages: 2, crash: true }),
  "ours, then NEO's, 1 storage": takeOver({ ...OURS_TO_NEO, storages: 1, crash: false }),
  "ours, then NEO's, 2 replicas": takeOver({ ...OURS_TO_NEO, storages: 2, crash: false }),
  "ours, then NEO's, crashed, 1 storage": takeOver({ ...OURS_TO_NEO, storages: 1, crash: true }),
  "ours, then NEO's, crashed, 2 replicas": takeOver({ ...OURS_TO_NEO, storages: 2, crash: true }),
});
