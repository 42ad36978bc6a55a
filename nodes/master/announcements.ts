/**
 * Who is told about which nodes. One piece of news is one packet per receiver, with one time for
 * all; these times only ever grow, since receivers refuse connections by them.
 */

import { type NodeInformation, type NodeType, NotifyNodeInformation } from "../../gen/packets.ts";
import { informationOf, type KnownNode, type Nodes } from "./nodes.ts";

/** The types of node that are told about nodes of a type. */
const TOLD: Readonly<Record<NodeType, readonly NodeType[]>> = {
  MASTER: ["ADMIN", "STORAGE", "CLIENT", "MASTER"],
  STORAGE: ["ADMIN", "STORAGE", "CLIENT"],
  CLIENT: ["ADMIN", "STORAGE"],
  ADMIN: [],
};

/** Tells all who are interested, but `except`, that these nodes have changed. */
export function announce(nodes: Nodes, changed: readonly KnownNode[], except?: KnownNode): void {
  const news = new Map<NodeType, NodeInformation[]>();
  for (const node of changed) {
    const information = informationOf(node);
    for (const receiver of TOLD[node.type]) {
      const list = news.get(receiver);
      if (list === undefined) news.set(receiver, [information]);
      else list.push(information);
    }
  }
  if (news.size === 0) return;
  const timestamp = nodes.time();
  for (const [type, list] of news) {
    for (const receiver of nodes.identified(type)) {
      if (receiver === except) continue;
      receiver.connection?.notify(NotifyNodeInformation, { timestamp, nodes: list });
    }
  }
}

/** Tells one node about itself. */
export function announceToItself(nodes: Nodes, node: KnownNode): void {
  node.connection?.notify(NotifyNodeInformation, {
    timestamp: nodes.time(),
    nodes: [informationOf(node)],
  });
}

/** Tells a node that was just accepted all that it has to know, of itself first. */
export function introduce(nodes: Nodes, node: KnownNode): void {
  const others = nodes.list().filter((other) =>
    other !== node && TOLD[other.type].includes(node.type)
  );
  node.connection?.notify(NotifyNodeInformation, {
    timestamp: nodes.time(),
    nodes: [node, ...others].map(informationOf),
  });
}
