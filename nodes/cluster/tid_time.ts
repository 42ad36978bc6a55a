/**
 * Transaction ids as times. The upper half counts calendar minutes since 1900 (months of 31 days,
 * so that some values name no minute), the lower half is the fraction of the minute. This is
 * ZODB's TimeStamp, and has to be so to the bit.
 */

import { type Tid, tid } from "../codec/ids.ts";

const LOW_RANGE = 2 ** 32;
const MINUTE_MS = 60_000;

/** The tid of a time. `timeMs` is Unix time in milliseconds, with a fraction. */
export function tidFromTime(timeMs: number): Tid {
  const minuteMs = Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
  const low = Math.min(Math.trunc((timeMs - minuteMs) / MINUTE_MS * LOW_RANGE), LOW_RANGE - 1);
  return join(highOf(minuteMs), low);
}

/** The time of a tid: Unix time in milliseconds, with a fraction. */
export function timeOfTid(id: Tid): number {
  return minuteOf(high(id)) + low(id) / LOW_RANGE * MINUTE_MS;
}

/** The tid that follows `id` by `steps`; from minute to minute it follows the calendar. */
export function addTid(id: Tid, steps: number): Tid {
  const sum = low(id) + steps;
  if (sum >= 0 && sum < LOW_RANGE) return join(high(id), sum);
  const minutes = Math.floor(sum / LOW_RANGE);
  const minute = minuteOf(high(id)) + minutes * MINUTE_MS;
  return join(highOf(minute), sum - minutes * LOW_RANGE);
}

/**
 * A tid as people read it: UTC, with microseconds, as neoctl prints it. It says what the tid holds,
 * also where no calendar has such a day, so that different tids have different texts.
 */
export function tidTimeText(id: Tid): string {
  const { year, month, day, hour, minute } = fieldsOf(high(id));
  const seconds = (low(id) / LOW_RANGE * 60).toFixed(6).padStart(9, "0");
  return `${year}-${twoDigits(month + 1)}-${twoDigits(day + 1)} ` +
    `${twoDigits(hour)}:${twoDigits(minute)}:${seconds}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

function high(id: Tid): number {
  return Number(id >> 32n);
}

function low(id: Tid): number {
  return Number(id & 0xffff_ffffn);
}

function join(high: number, low: number): Tid {
  return tid((BigInt(high) << 32n) | BigInt(low));
}

function highOf(minuteMs: number): number {
  const date = new Date(minuteMs);
  const months = (date.getUTCFullYear() - 1900) * 12 + date.getUTCMonth();
  const hours = (months * 31 + date.getUTCDate() - 1) * 24 + date.getUTCHours();
  return hours * 60 + date.getUTCMinutes();
}

/** What the upper half of a tid holds; months and days count from 0. */
function fieldsOf(high: number) {
  const hours = Math.floor(high / 60);
  const days = Math.floor(hours / 24);
  const months = Math.floor(days / 31);
  return {
    year: 1900 + Math.floor(months / 12),
    month: months % 12,
    day: days % 31,
    hour: hours % 24,
    minute: high % 60,
  };
}

function minuteOf(high: number): number {
  const { year, month, day, hour, minute } = fieldsOf(high);
  return Date.UTC(year, month, day + 1, hour, minute);
}
