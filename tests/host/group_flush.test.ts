/** Group flush: who waits for the disk at the same time waits for the same flush. */

import assert from "node:assert/strict";
import { DatabaseError } from "../../nodes/errors.ts";
import { GroupFlush } from "../../nodes/host/group_flush.ts";

/** A disk whose flushes end when the test says so. */
class Disk {
  readonly #flushes: PromiseWithResolvers<void>[] = [];
  readonly group = new GroupFlush(() => {
    const flush = Promise.withResolvers<void>();
    this.#flushes.push(flush);
    return flush.promise;
  });

  get flushes(): number {
    return this.#flushes.length;
  }

  end(number: number, error?: Error): void {
    if (error === undefined) this.#flushes[number]?.resolve();
    else this.#flushes[number]?.reject(error);
  }
}

/** Lets everything that is ready to run, run. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

Deno.test("who comes in one turn shares a flush, who comes later the next", async () => {
  const disk = new Disk();
  const done: string[] = [];
  const wait = (name: string) => disk.group.durable().then(() => done.push(name));
  const first = [wait("a"), wait("b"), wait("c")];
  await turn();
  assert.equal(disk.flushes, 1);
  const second = [wait("d"), wait("e")];
  await turn();
  assert.equal(disk.flushes, 1);
  assert.deepEqual(done, []);
  disk.end(0);
  await Promise.all(first);
  assert.deepEqual(done, ["a", "b", "c"]);
  await turn();
  assert.equal(disk.flushes, 2);
  const third = wait("f");
  disk.end(1);
  await Promise.all(second);
  await turn();
  assert.equal(disk.flushes, 3);
  let idle = false;
  disk.group.whenIdle(() => idle = true);
  assert.equal(idle, false);
  disk.end(2);
  await third;
  await turn();
  assert.equal(idle, true);
  assert.deepEqual(done, ["a", "b", "c", "d", "e", "f"]);
});

Deno.test("after a failure nothing is durable any more", async () => {
  const disk = new Disk();
  const first = disk.group.durable();
  await turn();
  const second = disk.group.durable();
  const failure = new Error("no space on the disk");
  disk.end(0, failure);
  for (const promise of [first, second, disk.group.durable(), disk.group.durable()]) {
    await assert.rejects(promise, (error: unknown) => {
      assert.ok(error instanceof DatabaseError);
      assert.equal(error.message, "the disk did not take what was written: no space on the disk");
      assert.equal(error.cause, failure);
      return true;
    });
  }
  assert.equal(disk.flushes, 1);
  assert.equal(disk.group.failed, true);
});
