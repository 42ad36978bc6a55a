/** Tids as people write them on a command line. */

import { MAX_TID, type Tid, tid, tidFromTime } from "../../mod.ts";
import { UsageError } from "../options.ts";

/** Tids are times of these years, the last one excluded: 1900, and one that still fits. */
const FIRST_MS = Date.UTC(1900);
const END_MS = Date.UTC(5900);

/**
 * Reads a tid: 16 hex digits as `neo ctl print ids` shows them, `0x` and hex digits, or a time such
 * as 2024-05-31 or 2024-05-31T12:00:00Z. Throws a UsageError.
 */
export function parseTid(text: string, option: string): Tid {
  const hex = /^(?:0x([0-9a-f]{1,16})|([0-9a-f]{16}))$/i.exec(text);
  const digits = hex?.[1] ?? hex?.[2];
  if (digits !== undefined) {
    const value = BigInt(`0x${digits}`);
    if (value <= MAX_TID) return tid(value);
  }
  const timeMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (timeMs >= FIRST_MS && timeMs < END_MS) return tidFromTime(timeMs);
  throw new UsageError(
    `${option}: expected a tid as 16 hex digits, or a time such as 2024-05-31T12:00:00Z, ` +
      `found '${text}'`,
  );
}
