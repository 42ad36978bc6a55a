/** A command as fast-check runs it: only when it makes sense, and shown by its own parameters. */

import type { Model, Scene } from "./scene.ts";

export abstract class Command {
  /** Whether it makes sense now. */
  abstract check(model: Readonly<Model>): boolean;

  /** Does it on both sides. Throws where they differ. */
  abstract go(model: Model, scene: Scene): Promise<void>;

  async run(model: Model, scene: Scene): Promise<void> {
    model.count("commands");
    await this.go(model, scene);
    for (const [number, client] of scene.clients.entries()) {
      const known = model.known[number] ?? 0n;
      if (client.lastTid < known) throw new Error(`client ${number} went back in time`);
      model.known[number] = client.lastTid;
    }
  }

  toString(): string {
    return `${this.constructor.name}(${Object.values(this).map((value) => JSON.stringify(value))})`;
  }
}

/** Object data of a text. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The text in object data. */
export function textOf(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}
