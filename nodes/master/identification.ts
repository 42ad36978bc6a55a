/**
 * Who a node is that asks to be identified, and whether it may come in. A node is found by its
 * address and by the id that it had; what is connected already is never replaced, since its peer
 * may only be slow, and ids that are in use are never given to another.
 */

import type { AcceptIdentification, NodeType, RequestIdentification } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import { LaterAnswer, type Reply } from "../codec/packet.ts";
import { sameAddress } from "../cluster/addresses.ts";
import { isTemporary, nidText, nodeTypeOf } from "../cluster/node_ids.ts";
import type { Address } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { ALREADY_CONNECTED, Refusal } from "../wire/refusal.ts";
import { decodeText } from "../wire/text.ts";
import { announce, introduce } from "./announcements.ts";
import type { KnownNode, Nodes } from "./nodes.ts";
import type { Primary } from "./primary.ts";

/** How many parts the place of a storage's database may have. */
const MAX_DEVPATH_PARTS = 64;

/** What a node says of itself, as far as it makes sense. */
interface Claim {
  readonly type: NodeType;
  readonly nid: Nid | null;
  readonly address: Address | null;
}

/**
 * Lets a node in, and returns what it is answered: nothing when it is a master that this one gives
 * way to. Throws a Refusal when it may not come in.
 */
export function identify(
  primary: Primary,
  connection: Connection,
  request: RequestIdentification,
): Reply<AcceptIdentification> {
  const { nodes, table, self, turn, options } = primary;
  const claim = claimOf(primary, request);
  const node = findNode(primary, claim);
  if (claim.type === "MASTER" && claim.address !== null && request.idTimestamp !== null) {
    const { address } = claim;
    const challenger = { address, since: request.idTimestamp, connection };
    if (options.yields(challenger)) return new LaterAnswer();
  }
  const state = admitted(primary, claim, node);
  const accepted = node ?? nodes.add(claim.type, { nid: null, address: claim.address });
  const nid = grantedNid(nodes, self, claim, accepted);
  nodes.setNid(accepted, nid);
  moveTo(primary, accepted, claim.address);
  if (request.devpath.length > 0) {
    accepted.devpath = request.devpath.slice(0, MAX_DEVPATH_PARTS).map(decodeText);
  }
  accepted.idTimestamp = nodes.time();
  accepted.state = state;
  primary.connected(accepted, connection);
  primary.serve(accepted);
  announce(nodes, [accepted], accepted);
  primary.log("INFO", `accepted ${nidText(nid)} at ${connection.label} as ${state}`);
  turn.after(() => {
    introduce(nodes, accepted);
    if (accepted.type === "STORAGE") primary.phase.storageJoined(accepted);
  });
  return {
    nodeType: "MASTER",
    nid: self.nid,
    partitions: table.partitions,
    replicas: table.replicas,
    yourNid: nid,
  };
}

function claimOf({ options }: Primary, request: RequestIdentification): Claim {
  const { nodeType, nid, address } = request;
  if (decodeText(request.cluster) !== options.cluster) refuse("invalid cluster name");
  if (address !== null && sameAddress(address, options.address)) refuse("address conflict");
  if (nodeType === null) return refuse("");
  if (address === null && (nodeType === "STORAGE" || nodeType === "MASTER")) {
    refuse(`a ${nodeType} node must have an address`);
  }
  // An id of another type's range is none.
  const isOwn = nid !== null && nodeTypeOf(nid) === nodeType;
  return { type: nodeType, nid: isOwn ? nid : null, address };
}

function refuse(message: string): never {
  throw new Refusal("PROTOCOL_ERROR", message);
}

/** The known node that this one is; null for a new one. */
function findNode(primary: Primary, claim: Claim): KnownNode | null {
  const { nid, address } = claim;
  const { nodes, self } = primary;
  const byNid = nid === null ? undefined : nodes.get(nid);
  const byAddress = address === null ? undefined : nodeAt(primary, claim, address);
  if (byAddress !== undefined) {
    const isSame = byNid === undefined || byNid === byAddress || (nid !== null && isTemporary(nid));
    if (byAddress.connection === null && isSame) return byAddress;
    return refuse(ALREADY_CONNECTED);
  }
  if (byNid === undefined || byNid === self) return null;
  if (byNid.connection === null) return byNid;
  if (nid !== null && isTemporary(nid)) return null;
  if (byNid.type === "STORAGE" && primary.phase.givesWay(byNid, address)) {
    primary.disconnect(byNid);
    nodes.remove(byNid);
    return null;
  }
  return refuse(ALREADY_CONNECTED);
}

/**
 * The known node at the address that a node claims. One that is gone has left the address when it
 * was of another type, or a storage whose data a storage without an id can't have.
 */
function nodeAt(
  { nodes, table }: Primary,
  { type, nid }: Claim,
  address: Address,
): KnownNode | undefined {
  const node = nodes.at(address);
  if (node === undefined || node.connection !== null) return node;
  const isBlank = type === "STORAGE" && nid === null && node.nid !== null;
  const mayHaveData = isBlank && (table.ptid === null || table.nodeIds().has(node.nid));
  if (node.type === type && !mayHaveData) return node;
  if (node.type === "STORAGE") nodes.setAddress(node, null);
  else nodes.remove(node);
  return undefined;
}

/** Takes note of a node's address. */
function moveTo({ nodes, options }: Primary, node: KnownNode, address: Address | null): void {
  const before = node.address;
  nodes.setAddress(node, address);
  if (node.type !== "MASTER") return;
  if (before !== null && !sameAddress(before, address)) options.masters.remove(before);
  if (address !== null) options.masters.add(address);
}

/** The state that a node gets now. Throws a Refusal when it has to come back later. */
function admitted({ phase, table }: Primary, { type, nid }: Claim, node: KnownNode | null) {
  if (type === "CLIENT") phase.admitClient();
  if (type !== "STORAGE") return "RUNNING";
  // One that is known and was never added waits for that still, as one that is new.
  return phase.admitStorage(nid !== null && node !== null && table.members.has(nid));
}

/** The id that it asked for, unless another node has it; else the first free one. */
function grantedNid(nodes: Nodes, self: KnownNode, { type, nid }: Claim, node: KnownNode): Nid {
  if (nid !== null && nid !== self.nid) {
    const owner = nodes.get(nid);
    if (owner === undefined || owner === node) return nid;
  }
  return node.nid ?? nodes.freeNid(type);
}
