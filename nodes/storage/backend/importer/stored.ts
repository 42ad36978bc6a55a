/** Object data as they were before they were compressed. */

import { inflateSync } from "node:zlib";
import type { StoredData } from "../backend.ts";

export function plainFrom({ compression, data }: StoredData): Uint8Array {
  return compression ? inflateSync(data) : data;
}
