/** ZODB's conformance tests on a cluster with replicas, under TLS: see suite.ts. */
import { peerGroup } from "./peer.ts";
import { conformance } from "./suite.ts";

peerGroup("ZODB's conformance tests by NEO", {
  "on 2 masters and 3 storages with replicas, under TLS": conformance({
    tls: true,
    masters: 2,
    storages: 3,
    partitions: 12,
    replicas: 1,
  }),
});
