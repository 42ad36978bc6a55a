"""A crowd of real NEO clients (neo.client.Storage under ZODB.DB) that change the same objects.

Usage: contention.py MASTERS CLUSTER CLIENTS OBJECTS TOUCHED COMMITS

Each client is a process. It increases TOUCHED of OBJECTS counters, in an order of its own, until it
has COMMITS commits; the counters resolve their conflicts, as BTrees' lengths do. Says in one line
of JSON how long each commit took, conflicts included, how often each client was in conflict, and
what the counters sum up to.
"""
import json
import os
import random
import sys
import time
import traceback

import transaction
import ZODB
from BTrees.Length import Length
from neo.client.Storage import Storage
from ZODB.POSException import ConflictError


def connect(masters, cluster):
    return ZODB.DB(Storage(master_nodes=masters, name=cluster))


def increase(db, touched):
    """Tries to commit once; says whether it did."""
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    try:
        for counter in random.sample(connection.root()['counters'], touched):
            counter.change(1)
        manager.commit()
        return True
    except ConflictError:
        manager.abort()
        return False
    finally:
        connection.close()


def insist(db, touched, commits):
    waits = []
    conflicts = 0
    while len(waits) < commits:
        start = time.time()
        while not increase(db, touched):
            conflicts += 1
        waits.append(time.time() - start)
    return {'waits': waits, 'conflicts': conflicts}


def member(address, work, orders, answers):
    """The life of one process: it connects when it is told to, waits for the others, and works."""
    try:
        orders.readline()
        db = connect(*address)
        answers.write('connected\n')
        answers.flush()
        orders.read()
        answers.write(json.dumps(insist(db, *work)))
        answers.flush()
        status = 0
    except Exception:
        traceback.print_exc()
        status = 1
    # The client's threads need not end by themselves.
    os._exit(status)


def fork(address, work, inherited):
    """Starts a member; returns the stream that tells it what to do, and that of its answers."""
    order_read, order_write = os.pipe()
    answer_read, answer_write = os.pipe()
    if os.fork() == 0:
        os.close(order_write)
        for stream in inherited:
            stream.close()
        member(address, work, os.fdopen(order_read), os.fdopen(answer_write, 'w'))
    os.close(order_read)
    os.close(answer_write)
    return os.fdopen(order_write, 'w'), os.fdopen(answer_read)


def main(masters, cluster, clients, objects, touched, commits):
    address = masters, cluster
    members = []
    for _ in range(int(clients)):
        orders = [order for order, _ in members]
        members.append(fork(address, (int(touched), int(commits)), orders))
    db = connect(*address)
    with db.transaction() as connection:
        connection.root()['counters'] = [Length(0) for _ in range(int(objects))]
    for orders, _ in members:
        orders.write('connect\n')
        orders.flush()
    for _, answers in members:
        if not answers.readline():
            sys.exit('a client has ended')
    for orders, _ in members:
        orders.close()
    results = [json.loads(answers.read()) for _, answers in members]
    db.storage.sync()
    with db.transaction() as connection:
        total = sum(counter() for counter in connection.root()['counters'])
    print(json.dumps({
        'waits': [result['waits'] for result in results],
        'conflicts': [result['conflicts'] for result in results],
        'total': total,
    }))
    sys.stdout.flush()
    os._exit(0)


if __name__ == '__main__':
    main(*sys.argv[1:])
