/** The commands of docs/migrating.md do what the page says. */

import { doAsThePageSays } from "./page.ts";
import { inDirectory, peerGroup } from "./peer.ts";

peerGroup("moving in and out", {
  "the page does what it says": () =>
    inDirectory((directory) => doAsThePageSays("docs/migrating.md", directory)),
});
