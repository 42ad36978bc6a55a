"""The work of the benchmark by NEO 1.11's own Python client (Python 2.7).

Usage: client.py MASTER CLUSTER CLIENTS CACHE_BYTES

Forks CLIENTS processes, each with its own storage object, and says {"ready": true} when all are
connected. Then it obeys one JSON line after the other and answers each with one:

  {"work": "prepare", "objects": N}   the first client writes N objects; answers {"oids": [...]}
  {"work": "pack"}   the first client packs up to now; answers {"seconds": S}
  {"work": "commit", "objects": N, "seconds": S}
  {"work": "load", "oids": [...], "seconds": S}
  {"work": "contend", "oids": [...], "touched": N, "seconds": S}   changes N of them, in any order
  {"work": "undo", "seconds": S}      undoes its own last transaction, again and again
  {"work": "iterate", "seconds": S}   goes through transactions with their records
      all clients start together and work for S seconds; answers {"count": of what was done,
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
# What a pickle of ZODB begins with; conflicts about this class are not resolved.
RECORD_HEAD = b'cpersistent.mapping\nPersistentMapping\nq\x01.'
POOL_OBJECTS = 200
PREPARE_OBJECTS_PER_COMMIT = 500
ZERO_TID = b'\0' * 8
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """A client that waits for its cluster hears of nothing else, and would wait for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def new_data():
    return RECORD_HEAD + os.urandom(OBJECT_BYTES - len(RECORD_HEAD))


class Client(object):
    """One storage object and the objects that it alone modifies."""

    def __init__(self, master, cluster, cache_bytes):
        from neo.client.Storage import Storage
        from ZODB.Connection import TransactionMetaData
        from ZODB.POSException import ConflictError
        self.transaction = TransactionMetaData
        self.conflict = ConflictError
        self.storage = Storage(master_nodes=master, name=cluster, cache_size=cache_bytes)
        self.storage.sync()
        self.oids = []
        self.serials = {}
        self.turn = 0
        self.last_tid = None
        self.iteration = None

    def commit(self, oids):
        storage = self.storage
        transaction = self.transaction()
        storage.tpc_begin(transaction)
        for oid in oids:
            serial = self.serials.get(oid, ZERO_TID)
            storage.store(oid, serial, new_data(), '', transaction)
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

    def contend_once(self, order):
        oids = [oid.decode('hex') for oid in random.sample(order['oids'], order['touched'])]

        def once():
            while not self.try_to_change(oids):
                pass
        return once

    def try_to_change(self, oids):
        """As an application: on what it knows at the beginning, and anew after a conflict."""
        storage = self.storage
        storage.sync()
        transaction = self.transaction()
        storage.tpc_begin(transaction)
        try:
            for oid in oids:
                serial = storage.load(oid)[1]
                storage.store(oid, serial, new_data(), '', transaction)
            storage.tpc_vote(transaction)
            storage.tpc_finish(transaction)
            return True
        except self.conflict:
            storage.tpc_abort(transaction)
            return False

    def undo_once(self, order):
        if self.last_tid is None:
            oid = self.storage.new_oid()
            self.commit([oid])
            self.commit([oid])
            self.last_tid = self.serials[oid]
        return self.undo

    def undo(self):
        storage = self.storage
        transaction = self.transaction()
        storage.tpc_begin(transaction)
        storage.undo(self.last_tid, transaction)
        storage.tpc_vote(transaction)
        self.last_tid = storage.tpc_finish(transaction)

    def iterate_once(self, order):
        return self.iterate

    def iterate(self):
        if self.iteration is None:
            self.iteration = self.storage.iterator()
        try:
            for record in next(self.iteration):
                self.check(record.data)
        except StopIteration:
            self.iteration = None

    def pack(self):
        start = time.time()
        self.storage.pack(start, None)
        return {'seconds': time.time() - start}

    @staticmethod
    def check(data):
        if len(data) != OBJECT_BYTES:
            raise ValueError('expected %d bytes, found %d' % (OBJECT_BYTES, len(data)))

    def measure(self, order):
        next_work = getattr(self, order['work'] + '_once')
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
        if order['work'] == 'prepare':
            return self.prepare(order)
        return self.pack() if order['work'] == 'pack' else self.measure(order)


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
        alone = json.loads(line)['work'] in ('prepare', 'pack')
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
