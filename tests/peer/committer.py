"""A real NEO client that commits in a loop, and tells of each commit that was acknowledged.

Usage: committer.py MASTERS CLUSTER. Prints a line `NUMBER TID SECONDS` for each commit, where
SECONDS is when it was acknowledged. What fails is told on standard error, and the next number is
tried. A line on standard input ends the loop; then each transaction that the cluster has is
printed as `has TID NUMBER`, and at last `done`.
"""
import sys
import threading
import time

import transaction
import ZODB
from neo.client.Storage import Storage
from persistent.mapping import PersistentMapping

# Objects that are changed in turn, so that all partitions get some of the commits.
OBJECTS = 50
# Leaves some of the processor to the nodes that are being started.
PAUSE = .005


def say(*words):
    sys.stdout.write(' '.join(map(str, words)) + '\n')
    sys.stdout.flush()


def commit(connection, manager, number):
    manager.begin()
    root = connection.root()
    root['last'] = number
    key = 'object%u' % (number % OBJECTS)
    if key in root:
        root[key]['number'] = number
    else:
        root[key] = PersistentMapping(number=number)
    manager.get().note(u'%u' % number)
    manager.commit()


def main(masters, name):
    stop = threading.Event()

    def wait_for_line():
        sys.stdin.readline()
        stop.set()
    reader = threading.Thread(target=wait_for_line)
    reader.daemon = True
    reader.start()
    storage = Storage(master_nodes=masters, name=name)
    manager = transaction.TransactionManager()
    connection = ZODB.DB(storage).open(manager)
    number = 0
    while not stop.is_set():
        number += 1
        try:
            commit(connection, manager, number)
        except Exception as e:
            manager.abort()
            sys.stderr.write('%u: %s: %s\n' % (number, type(e).__name__, e))
            sys.stderr.flush()
        else:
            say(number, storage.lastTransaction().encode('hex'), repr(time.time()))
        time.sleep(PAUSE)
    for txn in storage.iterator():
        say('has', txn.tid.encode('hex'), txn.description)
    say('done')


if __name__ == '__main__':
    main(*sys.argv[1:])
