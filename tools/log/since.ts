/**
 * The times that `--from` takes: seconds since the epoch, seconds before now, or a date. What is
 * half understood is refused: the runtime makes some date of nearly anything that has a number in it,
 * and of February 31 the 3rd of March.
 */

import { ConfigurationError } from "../../nodes/errors.ts";

const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i;
const TIME_OF_DAY = /^(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?$/;

/** What is left to the runtime has to have a year: where there is none it takes 2001. */
const YEAR = /\b\d{4}\b/;

/**
 * The Unix time, in seconds, that a text means; `nowS` is the present one. Without an offset from
 * UTC a date is in local time. Throws a ConfigurationError when it means none.
 */
export function parseSince(text: string, nowS: number): number {
  const trimmed = text.trim();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) {
    const value = Number(trimmed);
    return value < 0 ? nowS + value : value;
  }
  const timeMs = parseDate(trimmed, nowS);
  if (Number.isFinite(timeMs)) return timeMs / 1000;
  throw new ConfigurationError(
    `argument --from: expected seconds since 1970, -seconds before now, or a date such as ` +
      `'2026-11-24 09:48', found '${text}'`,
  );
}

function parseDate(text: string, nowS: number): number {
  const date = DATE.exec(text);
  if (date !== null) {
    const [, year, month, day, hours, minutes, seconds, fraction, zone] = date;
    const fractionMs = Number(fraction ?? 0) * 1000;
    const parts = [year, Number(month) - 1, day, hours ?? 0, minutes ?? 0, seconds ?? 0];
    const [y = 0, mo = 0, d = 0, h = 0, m = 0, s = 0] = parts.map(Number);
    const midnight = new Date(Date.UTC(y, mo, d));
    const isDay = midnight.getUTCMonth() === mo && midnight.getUTCDate() === d;
    if (!isDay || !isTimeOfDay(h, m, s)) return NaN;
    if (zone !== undefined) return Date.UTC(y, mo, d, h, m, s) + fractionMs - zoneMs(zone);
    return new Date(y, mo, d, h, m, s).getTime() + fractionMs;
  }
  const time = TIME_OF_DAY.exec(text);
  if (time === null) return YEAR.test(text) ? Date.parse(text) : NaN;
  const [h = 0, m = 0, s = 0] = [time[1], time[2], time[3] ?? 0].map(Number);
  if (!isTimeOfDay(h, m, s)) return NaN;
  const today = new Date(nowS * 1000);
  today.setHours(h, m, s, 0);
  return today.getTime() + Number(time[4] ?? 0) * 1000;
}

function isTimeOfDay(hours: number, minutes: number, seconds: number): boolean {
  return hours < 24 && minutes < 60 && seconds < 60;
}

function zoneMs(zone: string): number {
  const found = /^([+-])(\d{2}):?(\d{2})$/.exec(zone);
  if (found === null) return 0;
  const minutes = Number(found[2]) * 60 + Number(found[3]);
  return (found[1] === "-" ? -minutes : minutes) * 60_000;
}
