/** What is wrong with a pickle. Whoever reads one for somebody says whose it is. */

import { NeoError } from "../errors.ts";

export class PickleError extends NeoError {}
