"""Opens a storage's database as NEO's storage does at its start, which upgrades it, and closes it.

upgrade.py ADAPTER DATABASE [ENGINE]
"""
import sys

from neo.storage.database import buildDatabaseManager


def main(adapter, database, engine=None):
    manager = buildDatabaseManager(adapter, (database, engine, 0))
    manager.setup()
    manager.commit()
    manager.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
