/** The commands of docs/operations.md do what the page says, with NEO's own nodes at its end. */

import { doAsThePageSays } from "./page.ts";
import { inDirectory, peerGroup } from "./peer.ts";

peerGroup("the operator's page", {
  "does what it says": () =>
    inDirectory((directory) => doAsThePageSays("docs/operations.md", directory)),
});
