"""A client of NEO 1.11 that commits in a loop, whatever happens to its cluster (Python 2.7).

Usage: committer.py MASTERS CLUSTER BYTES

Says {"ready": true} when it is connected. Then each commit of one new object of BYTES random bytes
gives a line: the time at its end, in seconds, and how long it took, in microseconds. A commit that
fails is tried again at once, with another object. The end of its input ends it.
"""
import ctypes
import os
import signal
import sys
import threading
import time

ZERO_TID = b'\0' * 8
PR_SET_PDEATHSIG = 1
RETRY_SECONDS = .001


def commit(storage, size):
    from ZODB.Connection import TransactionMetaData
    transaction = TransactionMetaData()
    try:
        oid = storage.new_oid()
        storage.tpc_begin(transaction)
        storage.store(oid, ZERO_TID, os.urandom(size), '', transaction)
        storage.tpc_vote(transaction)
        storage.tpc_finish(transaction)
        return True
    except Exception:
        storage.tpc_abort(transaction)
        time.sleep(RETRY_SECONDS)
        return False


def end_with_input():
    sys.stdin.read()
    os._exit(0)


def main(masters, cluster, size):
    from neo.client.Storage import Storage
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    watch = threading.Thread(target=end_with_input)
    watch.daemon = True
    watch.start()
    storage = Storage(master_nodes=masters, name=cluster)
    storage.sync()
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    while True:
        before = time.time()
        if commit(storage, int(size)):
            end = time.time()
            sys.stdout.write('%.6f %d\n' % (end, (end - before) * 1e6))
            sys.stdout.flush()


if __name__ == '__main__':
    main(*sys.argv[1:])
