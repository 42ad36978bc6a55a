/** ZODB's conformance tests as NEO runs them, in the clear: see suite.ts. */
import { peerGroup } from "./peer.ts";
import { conformance } from "./suite.ts";

peerGroup("ZODB's conformance tests by NEO", {
  "in the clear": conformance({ tls: false }),
});
