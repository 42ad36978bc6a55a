/** What `neo log --from` takes for a time, and how times are written. */

import assert from "node:assert/strict";
import { ConfigurationError } from "../../nodes/errors.ts";
import { parseSince } from "../../tools/log/since.ts";
import { strftime } from "../../tools/log/strftime.ts";

const NOW_S = 1_795_531_298.25;

/** Seconds of a local time. */
function local(...parts: [number, number, number, number?, number?, number?]): number {
  return new Date(...parts).getTime() / 1000;
}

Deno.test("numbers are seconds since 1970, or before now", () => {
  assert.equal(parseSince("1795531298.5", NOW_S), 1_795_531_298.5);
  assert.equal(parseSince("0", NOW_S), 0);
  assert.equal(parseSince("-60", NOW_S), NOW_S - 60);
  assert.equal(parseSince(" -1.5e1 ", NOW_S), NOW_S - 15);
});

Deno.test("dates are local, unless they say where", () => {
  assert.equal(parseSince("2026-11-24", NOW_S), local(2026, 10, 24));
  assert.equal(parseSince("2026-11-24 09:48", NOW_S), local(2026, 10, 24, 9, 48));
  assert.equal(parseSince("2026-11-24T09:48:30.25", NOW_S), local(2026, 10, 24, 9, 48, 30) + 0.25);
  assert.equal(parseSince("2026-11-24T09:48:30Z", NOW_S), Date.UTC(2026, 10, 24, 9, 48, 30) / 1e3);
  assert.equal(
    parseSince("2026-11-24 09:48+0130", NOW_S),
    Date.UTC(2026, 10, 24, 8, 18) / 1000,
  );
  assert.equal(parseSince("Nov 24 2026 09:48", NOW_S), local(2026, 10, 24, 9, 48));
  const today = new Date(NOW_S * 1000);
  const parts = [today.getFullYear(), today.getMonth(), today.getDate()] as const;
  assert.equal(parseSince("9:48", NOW_S), local(...parts, 9, 48));
  assert.equal(parseSince("09:48:30.5", NOW_S), local(...parts, 9, 48, 30) + 0.5);
});

const REFUSED = [
  ...["", "yesterday", "09:48 whenever", "--5", "Nov 24", "11/24 09:48"],
  ...["24:00", "09:60", "09:48:60", "2026-13-01", "2026-00-01", "2026-02-29", "2026-11-24 25:00"],
];

for (const text of REFUSED) {
  Deno.test(`'${text}' is refused`, () => {
    assert.throws(() => parseSince(text, NOW_S), ConfigurationError);
  });
}

Deno.test("times are written as strftime does", () => {
  const time = new Date(2026, 0, 4, 15, 7, 9);
  const seconds = time.getTime() / 1000;
  const expected: Record<string, string> = {
    "%F %T": "2026-01-04 15:07:09",
    "%a %A %b %B %h": "Sun Sunday Jan January Jan",
    "%c": "Sun Jan  4 15:07:09 2026",
    "%C %y %Y %m %d %e %j": "20 26 2026 01 04  4 004",
    "%D %x %X %R %r": "01/04/26 01/04/26 15:07:09 15:07 03:07:09 PM",
    "%H %I %k %l %M %S %p": "15 03 15  3 07 09 PM",
    "%u %w %U %W": "7 0 01 00",
    "%s%n%t%%": `${seconds}\n\t%`,
    "%Q and %": "%Q and %",
  };
  for (const [format, text] of Object.entries(expected)) assert.equal(strftime(format, time), text);
  assert.match(strftime("%z", time), /^[+-]\d{4}$/);
});
