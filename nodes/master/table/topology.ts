/**
 * Keeping the copies of a partition apart. A node's place is a path from the outermost thing that
 * can fail (a room, a machine) to the innermost (a disk). At each depth, as few copies of a
 * partition as possible may share a place; the first depth with at least as many places as copies
 * is the last one that matters.
 */

import type { Column } from "./columns.ts";

/** A node's place, outermost part first. */
export type Devpath = readonly string[];

/** What places of one depth may hold of one partition. */
interface Limit {
  /** The greatest number of copies in one place. */
  readonly most: number;
  /** How many places next to each other may hold that many. */
  readonly fullPlaces: number;
}

interface Place {
  readonly limit: Limit;
  readonly siblings: readonly Place[];
  /** Copies of each partition that are there. */
  readonly copies: Uint32Array;
}

/** How copies are spread over places while an assignment is searched. */
export class Topology {
  readonly #paths: readonly (readonly Place[])[];

  private constructor(paths: readonly (readonly Place[])[]) {
    this.#paths = paths;
  }

  /**
   * The topology of nodes at these places. Null when it can't be kept: places of very different
   * sizes, or paths that end before the copies can be told apart.
   */
  static of(
    { devpaths, copies, partitions }: {
      devpaths: readonly Devpath[];
      copies: number;
      partitions: number;
    },
  ): Topology | null {
    const limits = placeLimits(devpaths, copies);
    if (limits === null) return null;
    const places = new Map<string, Place[]>();
    const known = new Map<string, Place>();
    return new Topology(
      devpaths.map((devpath) =>
        limits.map((limit, depth) => {
          const key = JSON.stringify(devpath.slice(0, depth + 1));
          let place = known.get(key);
          if (place === undefined) {
            const parent = JSON.stringify(devpath.slice(0, depth));
            const siblings = places.get(parent) ?? [];
            places.set(parent, siblings);
            place = { limit, siblings, copies: new Uint32Array(partitions) };
            siblings.push(place);
            known.set(key, place);
          }
          return place;
        })
      ),
    );
  }

  /** Gives a column to a node; returns false, having done nothing, when a place would be too full. */
  place(node: number, column: Column): boolean {
    const path = this.#paths[node] ?? [];
    if (!column.every((offset) => path.every((place) => hasRoom(place, offset)))) return false;
    this.#add(path, column, 1);
    return true;
  }

  /** Takes a column away again from a node. */
  remove(node: number, column: Column): void {
    this.#add(this.#paths[node] ?? [], column, -1);
  }

  #add(path: readonly Place[], column: Column, copies: 1 | -1): void {
    for (const place of path) {
      for (const offset of column) place.copies[offset] = (place.copies[offset] ?? 0) + copies;
    }
  }
}

function hasRoom({ limit, siblings, copies }: Place, offset: number): boolean {
  const here = copies[offset] ?? 0;
  if (here + 1 < limit.most) return true;
  if (here === limit.most) return false;
  const full = siblings.filter((place) => place.copies[offset] === limit.most).length;
  return full < limit.fullPlaces;
}

function placeLimits(devpaths: readonly Devpath[], copies: number): Limit[] | null {
  const depths = Math.min(...devpaths.map((devpath) => devpath.length));
  const limits: Limit[] = [];
  for (let depth = 1; depth <= depths; depth++) {
    const sizes = placeSizes(devpaths, depth);
    const largest = Math.max(...sizes);
    const even = sizes.every((size) => size === largest);
    if (!even && largest * copies > devpaths.length) return null;
    const share = Math.floor(copies / sizes.length);
    const rest = copies % sizes.length;
    limits.push(
      rest === 0
        ? { most: share, fullPlaces: sizes.length }
        : { most: share + 1, fullPlaces: rest },
    );
    if (sizes.length >= copies) return limits;
  }
  return null;
}

/** How many nodes are in each place of a depth. */
function placeSizes(devpaths: readonly Devpath[], depth: number): number[] {
  const sizes = new Map<string, number>();
  for (const devpath of devpaths) {
    const key = JSON.stringify(devpath.slice(0, depth));
    sizes.set(key, (sizes.get(key) ?? 0) + 1);
  }
  return [...sizes.values()];
}
