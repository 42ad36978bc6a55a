# Makes FileStorages with real ZODB, and tells what is in one: `filestorage.py COMMAND PATH [...]`.
# Run by filestorage.ts; Python 2.7 with ZODB, as NEO 1.11 has them.
import hashlib, json, sys

import transaction
import ZODB
from BTrees.OOBTree import OOBTree
from BTrees.IOBTree import IOBTree
from persistent.mapping import PersistentMapping
from persistent.wref import WeakRef
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
from ZODB.utils import p64, u64


def commit(note, **extension):
    t = transaction.get()
    t.setUser(u'somebody')
    t.note(note)
    for key, value in extension.items():
        t.setExtendedInfo(key, value)
    transaction.commit()


def tree(root, name, count, step=50):
    root[name] = t = OOBTree()
    for i in range(count):
        t['%05d' % i] = PersistentMapping(number=i, text=u'item %d' % i)
        if i % step == step - 1:
            commit(u'%s to %d' % (name, i))
    commit(u'%s' % name)


def trees(path, count='500'):
    """Trees, changed objects, weak references, shared objects, undos, deletions."""
    db = DB(FileStorage(path))
    root = db.open().root()
    tree(root, 'first', int(count))
    first = root['first']
    for i in range(0, int(count), 7):
        first['%05d' % i]['number'] = -i
        first['%05d' % i]['self'] = first['%05d' % i]
        first['%05d' % i]['weak'] = WeakRef(first['%05d' % (int(count) - 1)])
        if i % 21 == 0:
            commit(u'changes', kind='change', number=i)
    commit(u'more changes')
    first['00000']['oid'] = first['00001']._p_oid
    first['00000']['other'] = first['00001']
    commit(u'an oid as a value')
    first['00002']['number'] = 'undone'
    commit(u'to be undone')
    db.undo(db.undoInfo(0, 1)[0]['id'])
    commit(u'undo')
    root['brief'] = PersistentMapping(short=1)
    commit(u'a creation')
    db.undo(db.undoInfo(0, 1)[0]['id'])
    commit(u'undo of a creation')
    db.undo(db.undoInfo(0, 1)[0]['id'])
    commit(u'undo of the undo')
    del first['00003']
    commit(u'a deletion')
    db.close()


def packed(path):
    """What is left of trees after a pack, and what came after it."""
    trees(path)
    db = DB(FileStorage(path))
    db.pack()
    root = db.open().root()
    tree(root, 'second', 100)
    db.close()


def big(path, count='100000'):
    """Many objects, a hundred per transaction."""
    db = DB(FileStorage(path))
    root = db.open().root()
    root['big'] = t = IOBTree()
    for i in range(int(count)):
        t[i] = PersistentMapping(number=i, text='some text of object %d, ' % i * 4)
        if i % 100 == 99:
            commit(u'to %d' % i)
    commit(u'all')
    db.close()


def mounted(directory):
    """A root database, and others that it and one of them have mount points for."""
    oids = {}
    for name in 'root', 'one', 'two', 'three':
        db = DB(FileStorage('%s/%s.fs' % (directory, name)))
        root = db.open().root()
        tree(root, 'items', 60)
        items = root['items']
        if name != 'root':
            oids[name] = u64(items._p_oid)
        for target in {'root': ('one', 'three'), 'one': ('two',)}.get(name, ()):
            items[target] = mount = PersistentMapping(placeholder=target)
            commit(u'a place for %s' % target)
            items['another ' + target] = PersistentMapping(refers=mount)
            commit(u'another reference')
            oids['%s.%s' % (name, target)] = u64(mount._p_oid)
        db.close()
    print(json.dumps(oids))


def transactions(storage):
    for t in storage.iterator():
        yield [
            u64(t.tid), t.status, t.user, t.description, sorted(t.extension.items()),
            [(u64(r.oid), u64(r.tid), r.data and hashlib.sha1(r.data).hexdigest(),
              r.data_txn and u64(r.data_txn)) for r in t],
        ]


def dump(path):
    """Everything in a storage, one transaction a line."""
    storage = FileStorage(path, read_only=True)
    for line in transactions(storage):
        print(json.dumps(line))
    storage.close()


def visit(path):
    """Loads every object that can be reached from the root, with its class."""
    db = DB(FileStorage(path, read_only=True))
    print(json.dumps(reachable(db)))
    db.close()


def reachable(db):
    connection = db.open()
    seen, todo, numbers = set(), [p64(0)], 0
    while todo:
        oid = todo.pop()
        if oid in seen:
            continue
        seen.add(oid)
        obj = connection.get(oid)
        obj._p_activate()
        data, _ = db.storage.load(oid, '')
        from ZODB.serialize import referencesf
        todo += referencesf(data)
        if isinstance(obj, PersistentMapping) and 'number' in obj:
            numbers += 1
        connection.cacheMinimize()
    connection.close()
    return {'objects': len(seen), 'numbers': numbers}


def neo(command, masters, name):
    """The same of a NEO cluster: `dump` or `visit`."""
    from neo.client.Storage import Storage
    storage = Storage(master_nodes=masters, name=name)
    if command == 'dump':
        for line in transactions(storage):
            print(json.dumps(line))
    else:
        print(json.dumps(reachable(DB(storage))))
    storage.close()


def hold(path):
    """Keeps a storage open for writing until standard input ends."""
    storage = FileStorage(path)
    print('open')
    sys.stdout.flush()
    sys.stdin.read()
    storage.close()


def index(path):
    """Saves the index of a storage, as ZODB does when it closes one."""
    FileStorage(path).close()


if __name__ == '__main__':
    globals()[sys.argv[1]](*sys.argv[2:])
