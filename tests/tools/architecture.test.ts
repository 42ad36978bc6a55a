/** The architecture as docs/architecture.md has it: imports point inward, and there are no cycles. */

import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";

/**
 * Rooms from the innermost to the outermost; those of one row don't know each other. The stress
 * tool is a test that users run: like all tests it knows everything, and nothing knows it.
 */
const ROOMS: readonly (readonly string[])[] = [
  ["nodes/errors.ts", "nodes/compression"],
  ["nodes/host"],
  ["nodes/codec"],
  ["nodes/pickle"],
  ["nodes/filestorage"],
  ["gen"],
  ["nodes/wire"],
  ["nodes/cluster"],
  ["nodes/master", "nodes/storage", "nodes/admin", "nodes/client"],
  ["mod.ts"],
  ["tools"],
  ["tests"],
  ["tools/stress"],
];

/** The files of the product, each with those that it imports. */
function imports(): Map<string, string[]> {
  const files = new Map<string, string[]>();
  const visit = (path: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(ROOT + path)) {
      const inner = `${path}/${name}`;
      if (isDirectory) visit(inner);
      else if (name.endsWith(".ts")) files.set(inner, importsOf(inner));
    }
  };
  for (const path of ["nodes", "gen", "tools"]) visit(path);
  files.set("mod.ts", importsOf("mod.ts"));
  return files;
}

function importsOf(path: string): string[] {
  const text = Deno.readTextFileSync(ROOT + path);
  const found = text.matchAll(/^(?:import|export)\b[^;]*?from "(\.[^"]+)";/gms);
  return [...found].map(([, specifier = ""]) =>
    new URL(specifier, `file:///${path}`).pathname.slice(1)
  );
}

function roomOf(path: string): { row: number; room: string } {
  const places = ROOMS.flatMap((rooms, row) => rooms.map((room) => ({ row, room })))
    .filter(({ room }) => path === room || path.startsWith(`${room}/`));
  const [innermost, ...others] = places;
  assert.ok(innermost !== undefined, `${path} is in no room of the architecture`);
  // A room may be in another one.
  return others.reduce((a, b) => b.room.length > a.room.length ? b : a, innermost);
}

Deno.test("imports point inward", () => {
  const wrong: string[] = [];
  for (const [path, imported] of imports()) {
    const from = roomOf(path);
    for (const target of imported) {
      const to = roomOf(target);
      const inward = to.row < from.row || to.room === from.room;
      if (!inward) wrong.push(`${path} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("no file imports itself over others", () => {
  const files = imports();
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, above: readonly string[]) => {
    if (above.includes(path)) {
      cycles.push([...above.slice(above.indexOf(path)), path].join(" → "));
    } else if (!done.has(path)) {
      for (const target of files.get(path) ?? []) visit(target, [...above, path]);
      done.add(path);
    }
  };
  for (const path of files.keys()) visit(path, []);
  assert.deepEqual(cycles, []);
});
