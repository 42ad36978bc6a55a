/** Machines that crash, with their disks as of the last flush, and nodes that are stopped. */

import { away, type Fault, type FaultOptions, pick } from "./fault.ts";

/** How far a machine's clock may be behind when it comes back. */
const MAX_CLOCK_ERROR_MS = 100_000;

export const client: Fault = async ({ random, clients, replaceClient, happens }) => {
  const hosts = [...clients().keys()];
  // The last one may just be replaced.
  if (hosts.length === 0) return;
  const host = pick(hosts, random);
  happens("client crash", host);
  await replaceClient(host);
};

export const storage: Fault = async (faults) => {
  const { cluster, random, happens } = faults;
  const name = pick(cluster.storageNames, random);
  happens("storage crash", name);
  cluster.crash(name);
  await away(faults);
  await cluster.launch(name);
  // Other storages may fail before this one is complete again, or after.
  if (random.oneIn(2)) await cluster.comeTo(() => cluster.isComplete()).catch(() => {});
};

export const master: Fault = async (faults) => {
  const { cluster, random, happens } = faults;
  const name = pick(cluster.masterNames, random);
  happens("master crash", name);
  cluster.crash(name);
  await away(faults);
  await restartMaster(faults, name);
};

/** The admin's machine: there is nobody to order anything, and none of it must matter. */
export const admin: Fault = async (faults) => {
  const { cluster, happens } = faults;
  happens("admin crash", cluster.adminName);
  cluster.crash(cluster.adminName);
  await away(faults);
  await cluster.launch(cluster.adminName);
};

/** A node is stopped in order, as for another version of the program, and started again. */
export const restart: Fault = async (faults) => {
  const { cluster, random, happens } = faults;
  const name = pick(cluster.names, random);
  happens("restart", name);
  await cluster.stopNode(name);
  await away(faults);
  await cluster.launch(name);
};

/** All nodes are gone at once. */
export const power: Fault = async (faults) => {
  const { cluster, happens } = faults;
  const names = [...cluster.masterNames, ...cluster.storageNames];
  happens("power cut", names.join(" "));
  for (const name of names) cluster.crash(name);
  await away(faults);
  for (const name of names) {
    if (cluster.masterNames.includes(name)) await restartMaster(faults, name);
    else await cluster.launch(name);
  }
};

/** Starts a master again, perhaps on a machine whose clock is wrong. */
async function restartMaster({ cluster, random }: FaultOptions, name: string): Promise<void> {
  if (random.oneIn(2)) {
    cluster.world.host(name).clockErrorMs = random.between(-MAX_CLOCK_ERROR_MS, 0);
  }
  await cluster.launch(name);
}
