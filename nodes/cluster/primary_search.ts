/**
 * Finding the primary master and being identified by it: what storages, admins and clients do
 * first. Masters are tried in turn, for ever, at most once a second each; a secondary one tells
 * which is the primary.
 */

import { masterToStranger } from "../../gen/flows.ts";
import { type AcceptIdentification, RequestIdentification } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import { ConnectionClosedError, NeoError, NetworkError } from "../errors.ts";
import type { Address, ClientHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { PeerError } from "../wire/refusal.ts";
import { decodeText } from "../wire/text.ts";
import { addressText } from "./addresses.ts";
import type { Endpoint } from "./endpoint.ts";
import type { MasterList } from "./master_list.ts";
import { nidText } from "./node_ids.ts";

export interface PrimarySearchOptions {
  readonly host: ClientHost;
  readonly endpoint: Endpoint;
  readonly masters: MasterList;
  /** What this node says of itself; asked for at each attempt. */
  request(): RequestIdentification;
  /**
   * The primary master has accepted this node as `nid`. Called before anything that it sent
   * afterwards is handled: this is where the connection gets its receiver.
   */
  accepted(connection: Connection, accept: AcceptIdentification, nid: Nid): void;
  /** Whether a refusal such as `invalid cluster name` ends the search; servers go on trying. */
  readonly endsOnRefusal: boolean;
  /** Told of each refusal that does not end the search. */
  refused?(refusal: PeerError): void;
}

/** What it may mean that a master closes a connection without a word: NEO 1.11's logs no more. */
const SILENCE = " before it said anything (TLS on one side only?)";

/** A connection to the primary master that has identified this node. */
export interface Primary {
  readonly connection: Connection;
  readonly address: Address;
  /** The primary master's own id. */
  readonly nid: Nid | null;
}

/**
 * Tries until it is identified. Rejects with the signal's reason, or with a PeerError when the
 * master refuses this node and `endsOnRefusal` is set.
 */
export async function findPrimary(
  options: PrimarySearchOptions,
  signal?: AbortSignal,
): Promise<Primary> {
  const { masters } = options;
  const problems = new Problems(options.host);
  let previous: Address | null = null;
  let hint: Address | null = null;
  for (;;) {
    const address: Address | undefined = hint ?? masters.after(previous);
    if (address === undefined) throw new NetworkError("no master is known: name one at least");
    previous = address;
    hint = null;
    const { primary, next, problem } = await attempt(options, address, signal);
    if (primary !== null) return primary;
    hint = next;
    problems.found(addressText(address), problem);
  }
}

/**
 * What is wrong with each master. Nodes that start together, and secondary masters, cause problems
 * that are over at the next attempt: only what stays deserves a warning, and only one.
 */
class Problems {
  readonly #host: ClientHost;
  readonly #last = new Map<string, { readonly problem: string; isWarned: boolean }>();

  constructor(host: ClientHost) {
    this.#host = host;
  }

  found(master: string, problem: string): void {
    const last = this.#last.get(master);
    if (last?.problem !== problem) {
      this.#last.set(master, { problem, isWarned: false });
      this.#host.log.log("INFO", "primary", problem);
    } else if (!last.isWarned) {
      last.isWarned = true;
      this.#host.log.log("WARNING", "primary", problem);
    }
  }
}

interface Attempt {
  readonly primary: Primary | null;
  readonly next: Address | null;
  readonly problem: string;
}

async function attempt(
  options: PrimarySearchOptions,
  address: Address,
  signal: AbortSignal | undefined,
): Promise<Attempt> {
  const { endpoint, masters } = options;
  const text = addressText(address);
  let next: Address | null = null;
  let isSecondary = false;
  let connection: Connection | null = null;
  const aborted = () => connection?.close();
  try {
    connection = await endpoint.dial(address, "M", signal);
    signal?.addEventListener("abort", aborted, { once: true });
    connection.start(masterToStranger({
      notPrimaryMaster: ({ primary, masters: known }) => {
        isSecondary = true;
        known.forEach((master) => masters.add(master));
        next = (primary === null ? undefined : known[primary]) ?? null;
      },
    }));
    const nid = await identify(options, connection);
    return { primary: { connection, address, nid }, next: null, problem: "" };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof NeoError)) throw error;
    connection?.close();
    if (error instanceof PeerError && error.code === "PROTOCOL_ERROR") {
      if (options.endsOnRefusal) throw error;
      options.refused?.(error);
    }
    const problem = isSecondary
      ? `master ${text} is not the primary`
      : error instanceof ConnectionClosedError
      ? `master ${text} closed the connection${connection?.received ? "" : SILENCE}`
      : `master ${text}: ${error.message}${hintFor(error, options)}`;
    return { primary: null, next, problem };
  } finally {
    signal?.removeEventListener("abort", aborted);
  }
}

/** What to do about a refusal that is most often a mistake of who started this node. */
function hintFor(error: NeoError, { request }: PrimarySearchOptions): string {
  if (!(error instanceof PeerError) || error.message !== "invalid cluster name") return "";
  const name = decodeText(request().cluster);
  return ` (it is not of the cluster '${name}': correct --cluster or --masters)`;
}

async function identify(
  options: PrimarySearchOptions,
  connection: Connection,
): Promise<Nid | null> {
  const request = options.request();
  const accept = await connection.ask(RequestIdentification, request, (accept) => {
    const { nodeType, yourNid } = accept;
    if (nodeType !== "MASTER" || yourNid === null) {
      throw new NetworkError(`expected a master that gives an id, found a ${nodeType}`);
    }
    if (accept.nid !== null) {
      connection.label = `${nidText(accept.nid)} (${addressText(connection.remote)})`;
    }
    options.host.log.identified?.(decodeText(request.cluster), yourNid);
    options.accepted(connection, accept, yourNid);
  });
  return accept.nid;
}
