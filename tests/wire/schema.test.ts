/** The schema as others read it: a validator that knows JSON Schema only, and who sends what. */

import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { z } from "zod";
import type { Json } from "../../nodes/codec/json_form.ts";
import { readProtocol } from "../../tools/generator/schema.ts";
import { allVectors } from "../support/vectors.ts";

const text = Deno.readTextFileSync(new URL("../../protocol.schema.json", import.meta.url));
const schema = z.looseObject({ $schema: z.string() }).parse(JSON.parse(text));

// The schema's own keywords, such as `packet`, are unknown to the validator: it must ignore them.
const ajv = new Ajv2020({ strict: false });
const validate = ajv.compile(schema);

Deno.test("the schema is a valid JSON Schema of 2020-12", () => {
  assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  assert.ok(ajv.validateSchema(schema), ajv.errorsText());
});

/** What a validator is given: it knows no bigint. */
function plain(value: Json): unknown {
  return JSON.parse(JSON.stringify(value, (_key, found) => {
    return typeof found === "bigint" ? Number(found) : found;
  }));
}

Deno.test("it describes every packet that NEO 1.11 encoded", () => {
  for (const { name, id, args } of allVectors) {
    const packet = plain({ name, id, args });
    assert.ok(validate(packet), `${JSON.stringify(packet)}: ${ajv.errorsText(validate.errors)}`);
  }
});

Deno.test("it describes no broken packet", () => {
  const id = { hex: "0123456789abcdef" };
  const broken: unknown[] = [
    null,
    [],
    {},
    { name: "Ping", id: 1 },
    { name: "Ping", id: -1, args: [] },
    { name: "Ping", id: 2 ** 32, args: [] },
    { name: "Ping", id: 1.5, args: [] },
    { name: "Ping", id: 1, args: [1] },
    { name: "Ping", id: 1, args: [], more: 1 },
    { name: "Pang", id: 1, args: [] },
    { name: "AskPack", id: 1, args: [] },
    { name: "AskPack", id: 1, args: [id, id] },
    { name: "AskPack", id: 1, args: ["0123456789abcdef"] },
    { name: "AskPack", id: 1, args: [{ hex: "0123456789abcde" }] },
    { name: "AskPack", id: 1, args: [{ hex: "0123456789abcdeg" }] },
    { name: "AskPack", id: 1, args: [{ hex: "0123456789abcdef", more: 1 }] },
    { name: "AskNewOIDs", id: 1, args: [-1] },
    { name: "AskNewOIDs", id: 1, args: [2 ** 32] },
    { name: "StartOperation", id: 1, args: [1] },
    { name: "SetClusterState", id: 1, args: ["WALKING"] },
    { name: "SetClusterState", id: 1, args: [2] },
    { name: "NotPrimaryMaster", id: 1, args: [null, [["127.0.0.1", 65536]]] },
    { name: "NotPrimaryMaster", id: 1, args: [null, [["127.0.0.1"]]] },
    { name: "AnswerLockedTransactions", id: 1, args: [{ dict: [[id]] }] },
    { name: "AnswerLockedTransactions", id: 1, args: [[]] },
    { name: "NotifyPartitionChanges", id: 1, args: [0, []] },
    { name: "AnswerRebaseObject", id: 1, args: [[id, id]] },
    { name: "AskCheckTIDRange", id: 1, args: [0, 0, id] },
  ];
  for (const packet of broken) {
    assert.equal(validate(packet), false, `${JSON.stringify(packet)} was found valid`);
  }
});

Deno.test("any argument of any vector that changes its kind is found out", () => {
  let changed = 0;
  for (const { name, id, args } of allVectors) {
    for (const [at] of args.entries()) {
      const broken = args.map((value, where): Json => where === at ? { wrong: value } : value);
      assert.equal(validate(plain({ name, id, args: broken })), false, `${name} ${at}`);
      changed++;
    }
  }
  assert.ok(changed > 1000);
});

/** The kinds of node at the two ends of each flow; `any` is who has not told yet. */
const FLOW_ENDS: Readonly<Record<string, string>> = {
  strangerToMaster: "any→M",
  strangerToStorage: "C,S→S",
  masterToStranger: "M→any",
  masterToStorageInitialization: "M→S",
  masterToStorageOperation: "M→S",
  masterToClient: "M→C",
  masterToAdmin: "M→A",
  masterToSecondary: "M→M",
  secondaryToMaster: "M→M",
  storageToMaster: "S→M",
  clientToMaster: "C→M",
  adminToMaster: "A→M",
  controlToAdmin: "ctl→A",
  clientToStorage: "C→S",
  storageToStorage: "S→S",
};

/** Who sends what to whom in NEO 1.11; what primary masters tell all is told to each kind. */
const SENDERS: Readonly<Record<string, string>> = {
  RequestIdentification: "any→M C,S→S",
  CloseClient: "S→S",
  AskPrimary: "ctl→A",
  NotPrimaryMaster: "M→any",
  NotifyNodeInformation: "M→S M→C M→A M→M",
  // A primary master answers these to whoever it has identified, but to storages.
  AskRecovery: "M→S A→M ctl→A C→M M→M",
  AskLastIDs: "M→S A→M ctl→A C→M M→M",
  AskPartitionTable: "M→S C→M A→M M→M",
  AskClusterState: "ctl→A A→M C→M M→M",
  AskLastTransaction: "C→M ctl→A A→M M→M",
  SendPartitionTable: "M→S M→A",
  NotifyPartitionChanges: "M→S M→C M→A",
  StartOperation: "M→S",
  StopOperation: "M→S M→C",
  AskUnfinishedTransactions: "S→M",
  AskLockedTransactions: "M→S",
  AskFinalTID: "M→S C→M C→S",
  ValidateTransaction: "M→S",
  AskBeginTransaction: "C→M",
  FailedVote: "C→M",
  AskFinishTransaction: "C→M",
  AskLockInformation: "M→S",
  InvalidateObjects: "M→C",
  NotifyUnlockInformation: "M→S",
  AskNewOIDs: "C→M",
  NotifyDeadlock: "S→M M→C",
  AskRebaseTransaction: "C→S",
  AskRebaseObject: "C→S",
  AskStoreObject: "C→S",
  AbortTransaction: "C→S C→M M→S",
  AskStoreTransaction: "C→S",
  AskVoteTransaction: "C→S",
  AskObject: "C→S",
  AskTIDs: "C→S",
  AskTransactionInformation: "C→S",
  AskObjectHistory: "C→S",
  AskPartitionList: "ctl→A",
  AskNodeList: "ctl→A",
  SetNodeState: "ctl→A A→M",
  AddPendingNodes: "ctl→A A→M",
  TweakPartitionTable: "ctl→A A→M",
  SetClusterState: "ctl→A A→M",
  Repair: "ctl→A A→M",
  NotifyRepair: "M→S",
  NotifyClusterInformation: "M→S M→C M→A M→M",
  AskObjectUndoSerial: "C→S",
  AskTIDsFrom: "C→S",
  AskPack: "C→M M→S",
  CheckReplicas: "ctl→A A→M",
  CheckPartition: "M→S",
  AskCheckTIDRange: "S→S",
  AskCheckSerialRange: "S→S",
  NotifyPartitionCorrupted: "S→M",
  NotifyReady: "S→M",
  AskCheckCurrentSerial: "C→S",
  NotifyTransactionFinished: "M→S",
  Replicate: "M→S",
  NotifyReplicationDone: "S→M",
  AskFetchTransactions: "S→S",
  AskFetchObjects: "S→S",
  AddTransaction: "S→S",
  AddObject: "S→S",
  Truncate: "ctl→A A→M M→S",
  FlushLog: "ctl→A A→M M→S M→C M→A M→M",
};

Deno.test("each packet may go from whom to whom NEO 1.11 sends it", () => {
  const { flows, packets } = readProtocol(text);
  for (const { name, kind } of packets) {
    // Answers go where they were asked for, and all nodes understand Ping.
    const expected = kind === "answer" || name === "Ping" ? "" : SENDERS[name];
    assert.ok(expected !== undefined, `${name} is not in the table`);
    const uses = flows.filter(({ packets }) => packets.some(({ packet }) => packet.name === name));
    const ends = new Set(uses.map((flow) => FLOW_ENDS[flow.name] ?? assert.fail(flow.name)));
    assert.deepEqual(
      [...ends].sort(),
      expected.split(" ").filter((end) => end !== "").sort(),
      name,
    );
  }
});

Deno.test("only a master's order to truncate is a request that is not answered", () => {
  const unanswered = readProtocol(text).flows.flatMap(({ name, packets }) =>
    packets.filter(({ packet, answered }) => packet.kind === "request" && !answered)
      .map(({ packet }) => `${name}: ${packet.name}`)
  );
  assert.deepEqual(unanswered, ["masterToStorageInitialization: Truncate"]);
});
