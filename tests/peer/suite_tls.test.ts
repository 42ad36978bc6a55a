/** ZODB's conformance tests as NEO runs them, under TLS: see suite.ts. */
import { peerGroup } from "./peer.ts";
import { conformance } from "./suite.ts";

peerGroup("ZODB's conformance tests by NEO", {
  "under TLS": conformance({ tls: true }),
});
