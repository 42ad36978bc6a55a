/** How long something took or will take, as people read it. */

/** A time in milliseconds as hours, minutes and seconds, such as `00:01:05`. */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}
