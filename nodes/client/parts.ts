/** The parts of one client, put together; what each operation of the client works with. */

import { Endpoint } from "../cluster/endpoint.ts";
import { MasterList } from "../cluster/master_list.ts";
import type { Address, ClientHost } from "../host/host.ts";
import { Cache } from "./cache.ts";
import { Conflicts } from "./conflicts.ts";
import { Finisher } from "./finish.ts";
import { Invalidations } from "./invalidations.ts";
import { DEFAULT_CACHE_BYTES, DEFAULT_CONNECT_TIMEOUT_MS } from "./limits.ts";
import { Loads } from "./loads.ts";
import { Master } from "./master.ts";
import { OidPool } from "./oids.ts";
import type { ClusterOptions } from "./options.ts";
import { Reads } from "./reads.ts";
import { View } from "./view.ts";

export interface Parts {
  readonly host: ClientHost;
  readonly options: ClusterOptions;
  readonly invalidations: Invalidations;
  readonly view: View;
  readonly master: Master;
  readonly oids: OidPool;
  readonly reads: Reads;
  readonly loads: Loads;
  readonly conflicts: Conflicts;
  readonly finisher: Finisher;
}

/** Puts a client together; `masters` are the numeric addresses of those in the options. */
export function assemble(
  host: ClientHost,
  masters: readonly Address[],
  options: ClusterOptions,
): Parts {
  const invalidations = new Invalidations(host.log);
  const view = new View(new Cache(options.cacheBytes ?? DEFAULT_CACHE_BYTES), invalidations);
  const masterList = new MasterList(masters);
  options.keepMasters?.(masterList);
  const endpoint = new Endpoint({
    host,
    network: host.network(options.tls),
    fatal: (error) => host.log.log("CRITICAL", "client", String(error)),
  });
  const master: Master = new Master({
    host,
    endpoint,
    masters: masterList,
    cluster: options.cluster,
    connectTimeoutMs: options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
    events: {
      began: (lastTid) => view.reset(lastTid),
      invalidated: (tid, oids) => view.invalidate(tid, oids),
      lost: () => oids.clear(),
    },
  });
  const oids = new OidPool(master);
  const reads = new Reads(host, master);
  const loads = new Loads(reads, view);
  const conflicts = new Conflicts({ master, view, loads, resolver: options.resolveConflict });
  const finisher = new Finisher({ master, reads, view });
  return {
    host,
    options,
    invalidations,
    view,
    master,
    oids,
    reads,
    loads,
    conflicts,
    finisher,
  };
}
