"""The work of the benchmark by NEO 1.11's own Python client (Python 2.7).

Usage: client.py MASTER CLUSTER CLIENTS CACHE_BYTES

Forks CLIENTS processes, each with its own storage object, and says {"ready": true} when all are
connected. Then it obeys one JSON line after the other and answers each with one:

  {"work": "prepare", "objects": N}   the first client writes N objects; answers {"oids": [...]}
  {"work": "commit", "objects": N, "seconds": S}
  {"work": "load", "oids": [...], "seconds": S}
      all clients start together and work for S seconds; answers {"count": commits or loads,
      "seconds": of the slowest client, "latenciesUs": [...], "cpuMs": of all clients}

The end of its input ends it. client.ts speaks the same lines.
"""
import ctypes
import json
import os
import random
import signal
import sys
import time
import traceback

OBJECT_BYTES = 1000
POOL_OBJECTS = 200
PREPARE_OBJECTS_PER_COMMIT = 500
ZERO_TID = b'\0' * 8
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """A client that waits for its cluster hears of nothing else, and would wait for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Client(object):
    """One storage object and the objects that it alone modifies."""

    def __init__(self, master, cluster, cache_bytes):
        from neo.client.Storage import Storage
        from ZODB.Connection import TransactionMetaData
        self.transaction = TransactionMetaData
        self.storage = Storage(master_nodes=master, name=cluster, cache_size=cache_bytes)
        self.storage.sync()
        self.oids = []
        self.serials = {}
        self.turn = 0

    def commit(self, oids):
        storage = self.storage
        transaction = self.transaction()
        storage.tpc_begin(transaction)
        for oid in oids:
            serial = self.serials.get(oid, ZERO_TID)
            storage.store(oid, serial, os.urandom(OBJECT_BYTES), '', transaction)
        storage.tpc_vote(transaction)
        tid = storage.tpc_finish(transaction)
        for oid in oids:
            self.serials[oid] = tid

    def prepare(self, order):
        oids = [self.storage.new_oid() for _ in range(order['objects'])]
        for start in range(0, len(oids), PREPARE_OBJECTS_PER_COMMIT):
            self.commit(oids[start:start + PREPARE_OBJECTS_PER_COMMIT])
        return {'oids': [oid.encode('hex') for oid in oids]}

    def commit_once(self, order):
        count = order['objects']
        while len(self.oids) < max(POOL_OBJECTS, count):
            self.oids.append(self.storage.new_oid())
        if self.turn + count > len(self.oids):
            self.turn = 0
        oids = self.oids[self.turn:self.turn + count]
        self.turn += count
        return lambda: self.commit(oids)

    def load_once(self, order):
        oid = random.choice(order['oids']).decode('hex')
        return lambda: self.check(self.storage.load(oid)[0])

    @staticmethod
    def check(data):
        if len(data) != OBJECT_BYTES:
            raise ValueError('expected %d bytes, found %d' % (OBJECT_BYTES, len(data)))

    def measure(self, order):
        next_work = self.commit_once if order['work'] == 'commit' else self.load_once
        next_work(order)
        latencies = []
        cpu = os.times()
        start = end = time.time()
        while end < start + order['seconds']:
            work = next_work(order)
            before = time.time()
            work()
            end = time.time()
            latencies.append(int((end - before) * 1e6))
        spent = os.times()
        return {
            'count': len(latencies),
            'seconds': end - start,
            'latenciesUs': latencies,
            'cpuMs': (spent[0] + spent[1] - cpu[0] - cpu[1]) * 1e3,
        }

    def obey(self, order):
        return self.prepare(order) if order['work'] == 'prepare' else self.measure(order)


def say(stream, value):
    stream.write(json.dumps(value) + '\n')
    stream.flush()


def serve(orders, answers, arguments):
    """The life of one forked client process."""
    client = Client(*arguments)
    say(answers, {'ready': True})
    for line in iter(orders.readline, ''):
        say(answers, client.obey(json.loads(line)))
    client.storage.close()


def fork(arguments, inherited):
    """Forks one client; returns the streams for its orders and its answers."""
    order_read, order_write = os.pipe()
    answer_read, answer_write = os.pipe()
    if os.fork() == 0:
        status = 1
        try:
            die_with_parent()
            for stream in inherited:
                stream.close()
            os.close(order_write)
            os.close(answer_read)
            serve(os.fdopen(order_read), os.fdopen(answer_write, 'w'), arguments)
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(order_read)
    os.close(answer_write)
    return os.fdopen(order_write, 'w'), os.fdopen(answer_read)


def hear(stream):
    line = stream.readline()
    if not line:
        sys.exit('a client process has ended')
    return json.loads(line)


def merge(results):
    return {
        'count': sum(result['count'] for result in results),
        'seconds': max(result['seconds'] for result in results),
        'latenciesUs': sum((result['latenciesUs'] for result in results), []),
        'cpuMs': sum(result['cpuMs'] for result in results),
    }


def main(master, cluster, clients, cache_bytes):
    die_with_parent()
    workers = []
    for _ in range(int(clients)):
        inherited = [stream for pair in workers for stream in pair]
        workers.append(fork((master, cluster, int(cache_bytes)), inherited))
    for _, answers in workers:
        hear(answers)
    say(sys.stdout, {'ready': True})
    for line in iter(sys.stdin.readline, ''):
        alone = json.loads(line)['work'] == 'prepare'
        chosen = workers[:1] if alone else workers
        for orders, _ in chosen:
            orders.write(line)
            orders.flush()
        results = [hear(answers) for _, answers in chosen]
        say(sys.stdout, results[0] if alone else merge(results))
    for orders, _ in workers:
        orders.close()
    for _ in workers:
        os.wait()


if __name__ == '__main__':
    main(*sys.argv[1:])
