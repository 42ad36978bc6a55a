/** Times as strftime(3) writes them, in local time and in English. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

const DAY_MS = 86_400_000;

const two = (value: number) => String(value).padStart(2, "0");
const nameAt = (names: readonly string[], at: number) => names[at] ?? "";
const twelve = (hours: number) => hours % 12 === 0 ? 12 : hours % 12;

const CONVERSIONS: Readonly<Record<string, string | ((time: Date) => string)>> = {
  a: (time) => nameAt(DAYS, time.getDay()).slice(0, 3),
  A: (time) => nameAt(DAYS, time.getDay()),
  b: (time) => nameAt(MONTHS, time.getMonth()).slice(0, 3),
  B: (time) => nameAt(MONTHS, time.getMonth()),
  c: "%a %b %e %H:%M:%S %Y",
  C: (time) => two(Math.floor(time.getFullYear() / 100)),
  d: (time) => two(time.getDate()),
  D: "%m/%d/%y",
  e: (time) => String(time.getDate()).padStart(2, " "),
  F: "%Y-%m-%d",
  h: "%b",
  H: (time) => two(time.getHours()),
  I: (time) => two(twelve(time.getHours())),
  j: (time) => String(dayOfYear(time) + 1).padStart(3, "0"),
  k: (time) => String(time.getHours()).padStart(2, " "),
  l: (time) => String(twelve(time.getHours())).padStart(2, " "),
  m: (time) => two(time.getMonth() + 1),
  M: (time) => two(time.getMinutes()),
  n: () => "\n",
  p: (time) => time.getHours() < 12 ? "AM" : "PM",
  r: "%I:%M:%S %p",
  R: "%H:%M",
  s: (time) => String(Math.floor(time.getTime() / 1000)),
  S: (time) => two(time.getSeconds()),
  t: () => "\t",
  T: "%H:%M:%S",
  u: (time) => String(time.getDay() || 7),
  U: (time) => two(Math.floor((dayOfYear(time) + 7 - time.getDay()) / 7)),
  w: (time) => String(time.getDay()),
  W: (time) => two(Math.floor((dayOfYear(time) + 7 - (time.getDay() + 6) % 7) / 7)),
  x: "%m/%d/%y",
  X: "%H:%M:%S",
  y: (time) => two(time.getFullYear() % 100),
  Y: (time) => String(time.getFullYear()),
  z: zone,
  "%": () => "%",
};

/** Writes a time; what is no conversion stays as it is. */
export function strftime(format: string, time: Date): string {
  return format.replace(/%([a-zA-Z%])/g, (found, letter: string) => {
    const conversion = Object.hasOwn(CONVERSIONS, letter) ? CONVERSIONS[letter] : undefined;
    if (conversion === undefined) return found;
    return typeof conversion === "string" ? strftime(conversion, time) : conversion(time);
  });
}

/** From 0; by calendar days, because not all have 24 hours. */
function dayOfYear(time: Date): number {
  const day = Date.UTC(time.getFullYear(), time.getMonth(), time.getDate());
  return Math.round((day - Date.UTC(time.getFullYear(), 0, 1)) / DAY_MS);
}

/** The offset from UTC, such as `+0100`. */
function zone(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const absolute = Math.abs(minutes);
  return (minutes < 0 ? "-" : "+") + two(Math.floor(absolute / 60)) + two(absolute % 60);
}
