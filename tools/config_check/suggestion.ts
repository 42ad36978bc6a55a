/** What somebody may have meant who wrote something else. */

/** At most so many letters are added, left out or changed by mistake. */
const MAX_DISTANCE = 2;

/** ` (did you mean 'replicas'?)`, or nothing where no word is like it. */
export function suggestion(word: string, known: Iterable<string>): string {
  let best: { readonly name: string; readonly distance: number } | null = null;
  for (const name of known) {
    const found = distance(word.replaceAll("-", "_"), name);
    if (found <= MAX_DISTANCE && found < (best?.distance ?? Infinity)) {
      best = { name, distance: found };
    }
  }
  return best === null ? "" : ` (did you mean '${best.name}'?)`;
}

/** How many letters have to be added, left out or changed to get from one word to another. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [at, letter] of [...a].entries()) {
    const next = [at + 1];
    for (let to = 0; to < b.length; to++) {
      const changed = (row[to] ?? 0) + (b[to] === letter ? 0 : 1);
      next.push(Math.min(changed, (row[to + 1] ?? 0) + 1, (next[to] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
