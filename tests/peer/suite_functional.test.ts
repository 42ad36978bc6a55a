/**
 * NEO's functional tests: see suite.ts. Many of them wait for a state for some seconds at most, so
 * the two runs follow each other.
 */
import { peerGroup } from "./peer.ts";
import { functional } from "./suite.ts";

peerGroup("NEO's functional tests", {
  "in the clear": functional({ tls: false }),
  "under TLS": functional({ tls: true }),
});
