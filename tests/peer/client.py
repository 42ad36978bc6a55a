"""A real NEO client (neo.client.Storage under ZODB.DB) that a test drives.

Reads one request a line on standard input, {"do": method, "with": arguments}, and answers each
with one line on standard output, {"ok": result} or {"error": class, "message": text}. It is a
process of its own, and stays, so that a test can look at one cluster through several clients.
"""
import hashlib
import json
import os
import sys
import time

import transaction
import ZODB
from neo.client.Storage import Storage
from persistent.mapping import PersistentMapping
from ZODB.Connection import TransactionMetaData
from ZODB.utils import p64, u64, z64


def hexa(tid):
    return tid.encode('hex') if tid else None


def digest(data):
    return hashlib.sha1(data).hexdigest() if data is not None else None


class Client(object):

    def open(self, **options):
        """Connects; says whether the database had a root object already."""
        options = {str(k): v and v.encode() for k, v in options.items()}
        self.invalidations = []
        self.storage = storage = Storage(**options)
        register = storage.registerDB

        def registerDB(db):
            told = db.invalidate

            def invalidate(tid, oids, *args):
                self.invalidations.append([hexa(tid), sorted(map(u64, oids))])
                return told(tid, oids, *args)
            db.invalidate = invalidate
            register(db)
        storage.registerDB = registerDB
        self.db = ZODB.DB(storage)
        self.manager = transaction.TransactionManager()
        self.connection = self.db.open(self.manager)
        self.pending = []
        return hexa(storage.lastTransaction())

    def close(self):
        self.manager.abort()
        self.connection.close()
        self.db.close()

    @property
    def root(self):
        return self.connection.root()

    def begin(self):
        self.manager.begin()

    def put(self, key, value):
        """Changes the root in the current transaction."""
        self.root[key] = value

    def commit(self, note=u''):
        if note:
            self.manager.get().note(note)
        self.manager.commit()
        return hexa(self.storage.lastTransaction())

    def abort(self):
        self.manager.abort()

    def set(self, key, value):
        self.begin()
        self.put(key, value)
        return self.commit()

    def get(self, key):
        """Reads in a new transaction, after the barrier that ZODB makes there."""
        self.begin()
        value = self.root.get(key)
        return dict(value) if isinstance(value, PersistentMapping) else value

    def peek(self, key):
        """Reads in the current transaction."""
        return self.root.get(key)

    def told(self):
        """All invalidations that the master has sent by now."""
        self.storage.sync()
        return self.invalidations

    def add_big(self, key, size):
        """Commits an object that compression cannot shrink."""
        blob = os.urandom(size)
        self.begin()
        self.root[key] = PersistentMapping(data=blob)
        self.commit()
        return digest(blob)

    def read_big(self, key):
        self.begin()
        blob = self.root[key]['data']
        return [len(blob), digest(blob)]

    def add_many(self, key, count):
        """Commits `count` objects in one transaction."""
        self.begin()
        self.root[key] = objects = PersistentMapping()
        for i in xrange(count):
            objects[i] = PersistentMapping(number=i)
        return self.commit()

    def read_many(self, key):
        self.begin()
        self.connection.cacheMinimize()
        objects = self.root[key]
        return [len(objects), sum(objects[i]['number'] for i in objects)]

    def fill(self):
        """Makes a database of every kind of transaction that NEO stores."""
        self.set('counter', 1)
        self.add_many('many', 40)
        self.add_big('big', 300000)
        self.begin()
        self.root['text'] = PersistentMapping(compressible='x' * 20000)
        self.manager.get().user = u'\u00e9l\u00e8ve'
        self.manager.get().setExtendedInfo('reason', 'extension')
        self.commit(u'na\u00efve')
        for i in xrange(2, 6):
            self.set('counter', i)
        undone = self.storage.lastTransaction()
        self.begin()
        self.db.undo(undone, self.manager.get())
        self.commit(u'undo')
        self.begin()
        self.commit()
        self.store_raw(self.storage.new_oid(), z64, 'only raw data')
        oid = self.storage.new_oid()
        serial = self.store_raw(oid, z64, 'to be deleted')
        txn = TransactionMetaData()
        self.storage.tpc_begin(txn)
        self.storage.deleteObject(oid, serial, txn)
        self.storage.tpc_vote(txn)
        self.storage.tpc_finish(txn)
        return self.get('counter')

    def store_raw(self, oid, serial, data):
        txn = TransactionMetaData()
        self.storage.tpc_begin(txn)
        self.storage.store(oid, serial, data, '', txn)
        self.storage.tpc_vote(txn)
        return self.storage.tpc_finish(txn)

    def pack(self):
        self.storage.pack(time.time(), None)

    def add_raw(self, data):
        return hexa(self.store_raw(self.storage.new_oid(), z64, data.encode()))

    def vote_only(self):
        """Votes on a change of the root and leaves the transaction there."""
        oid = p64(0)
        data, serial = self.storage.load(oid)
        txn = TransactionMetaData()
        self.storage.tpc_begin(txn)
        self.storage.store(oid, serial, data + 'voted', '', txn)
        self.storage.tpc_vote(txn)
        self.pending.append(txn)

    def dump(self):
        """All transactions with all their records, and the current revision of every object."""
        transactions = []
        oids = set()
        for txn in self.storage.iterator():
            records = []
            for record in txn:
                oids.add(record.oid)
                records.append([u64(record.oid), digest(record.data), hexa(record.data_txn)])
            transactions.append([hexa(txn.tid), txn.status, txn.user, txn.description,
                                 sorted(txn.extension.items()), sorted(records)])
        current = []
        for oid in sorted(oids):
            try:
                data, serial = self.storage.load(oid)
                current.append([u64(oid), hexa(serial), digest(data)])
            except KeyError as e:
                current.append([u64(oid), None, type(e).__name__])
        return {'transactions': transactions, 'current': current}

    def history(self, oid, size):
        return [[hexa(x['tid']), x['size'], x['description']]
                for x in self.storage.history(p64(oid), size)]


def main():
    client = Client()
    # Whatever a library prints must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in iter(sys.stdin.readline, ''):
        request = json.loads(line)
        try:
            method = getattr(client, request['do'])
            answer = {'ok': method(**{str(k): v for k, v in request['with'].items()})}
        except Exception as e:
            answer = {'error': type(e).__name__, 'message': str(e)}
            client.manager.abort()
        answers.write(json.dumps(answer) + '\n')
        answers.flush()
    # The client's threads need not end by themselves.
    os._exit(0)


if __name__ == '__main__':
    main()
