/**
 * Connecting and listening over TCP, in the clear or under mutual TLS. A socket is handed out only
 * when its peer is who it should be; what goes wrong before that is told in words.
 */

import {
  connect as connectTcp,
  createServer,
  type Server,
  type Socket as NodeSocket,
} from "node:net";
import type { Address, Listener, LogSink, Network } from "./host.ts";
import { cannotConnect, cannotListen, reasonOf } from "./network_errors.ts";
import { remoteAddress, StreamSocket, tune } from "./socket.ts";
import type { Tls } from "./tls.ts";

type ListenEvents = Parameters<Network["listen"]>[1];

/** A network in the clear, or under `tls`. `log` is told when the system refuses to accept. */
export function createNetwork(tls: Tls | null, log: LogSink): Network {
  return {
    async connect(address) {
      const carrier = await connectCarrier(address);
      if (tls === null) return new StreamSocket(carrier, carrier);
      const secured = await tls.connect(carrier);
      if (secured.reason === null) return new StreamSocket(secured.stream, carrier);
      throw cannotConnect(address, secured.reason, secured.cause);
    },
    async listen(address, events) {
      const greeter = tls === null ? greetPlain(events) : greetSecurely(tls, events);
      const server = await listen(address, greeter.greet);
      server.on("error", (error) => {
        log.log("ERROR", "network", `cannot accept a connection: ${reasonOf(error)}`);
      });
      return listener(server, address, greeter);
    },
  };
}

/** What a listener does with a TCP connection that came in. */
interface Greeter {
  greet(carrier: NodeSocket): void;
  /** Drops the connections that have not been handed out yet. */
  close(): void;
}

function greetPlain(events: ListenEvents): Greeter {
  return {
    greet: (carrier) => events.accepted(new StreamSocket(carrier, carrier)),
    close: () => {},
  };
}

function greetSecurely(tls: Tls, events: ListenEvents): Greeter {
  const pending = new Set<NodeSocket>();
  return {
    async greet(carrier) {
      const remote = remoteAddress(carrier);
      pending.add(carrier);
      const secured = await tls.accept(carrier);
      // A listener that was closed meanwhile has nobody to tell.
      if (!pending.delete(carrier)) return;
      if (secured.reason === null) events.accepted(new StreamSocket(secured.stream, carrier));
      else events.refused(remote, secured.reason);
    },
    close() {
      for (const carrier of pending) carrier.destroy();
      pending.clear();
    },
  };
}

function connectCarrier(address: Address): Promise<NodeSocket> {
  return new Promise((resolve, reject) => {
    const carrier = connectTcp({ host: address.host, port: address.port });
    const failed = (error: Error) => reject(cannotConnect(address, reasonOf(error), error));
    carrier.once("error", failed);
    carrier.once("connect", () => {
      carrier.off("error", failed);
      tune(carrier);
      resolve(carrier);
    });
  });
}

function listen(address: Address, greet: (carrier: NodeSocket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((carrier) => {
      tune(carrier);
      greet(carrier);
    });
    const failed = (error: Error) => reject(cannotListen(address, error));
    server.once("error", failed);
    server.listen({ host: address.host, port: address.port }, () => {
      server.off("error", failed);
      resolve(server);
    });
  });
}

function listener(server: Server, asked: Address, greeter: Greeter): Listener {
  const bound = server.address();
  if (bound === null || typeof bound === "string") {
    throw new Error("a TCP server has no address although it listens");
  }
  return {
    address: { host: asked.host, port: bound.port },
    close() {
      server.close();
      greeter.close();
    },
  };
}
