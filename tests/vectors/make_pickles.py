# Makes pickles.json: records as ZODB writes them, before and after their references were moved.
# Run with Python 3: python3 make_pickles.py > pickles.json
import io
import json
import pickle
from struct import pack

SHIFT = 0x1000


class Thing:
    """Stands for a persistent class."""


class Reference:
    def __init__(self, oid, form):
        self.oid = oid
        self.form = form


def record(protocol, make, shift):
    """The two pickles of a record: they share a memo, as those of ZODB do."""
    oids = {}

    def persistent_id(obj):
        if not isinstance(obj, Reference):
            return None
        oid = oids.setdefault(obj.oid, pack('>Q', obj.oid + shift))
        return {
            'oid': lambda: oid,
            'class': lambda: (oid, Thing),
            'weak': lambda: ['w', (oid,)],
            'old weak': lambda: [oid],
            'other': lambda: ['n', ('other', oid)],
            'other with class': lambda: ['m', ('other', oid, Thing)],
            'other weak': lambda: ['w', (oid, 'other')],
            'none': lambda: ('x', 'y', 'z'),
        }[obj.form]()

    out = io.BytesIO()
    pickler = pickle.Pickler(out, protocol)
    pickler.persistent_id = persistent_id
    pickler.dump(Thing)
    pickler.dump(make(lambda n, form: Reference(n, form)))
    return out.getvalue()


def state(*forms):
    def make(refer):
        refs = [refer(n + 1, form) for n, form in enumerate(forms)]
        return {
            'text': 'PQ of any kind', 'number': 2 ** 70, 'float': 1.5, 'bytes': b'Q' * 8,
            'refs': refs, 'again': list(reversed(refs)), 'set': {1, 2}, 'nothing': None,
            'tuple': (refs[0], 1), 'long': 'x' * 70000, 'nested': [[{'a': refs[0]}]],
        }
    return make


CASES = [(form, state(form, form)) for form in ('oid', 'class', 'weak', 'old weak')]
CASES.append(('all', state('oid', 'class', 'weak', 'old weak', 'class')))
REFUSED = [(form, state(form)) for form in ('other', 'other with class', 'other weak', 'none')]

if __name__ == '__main__':
    print(json.dumps({
        'shift': SHIFT,
        'moved': [
            {'protocol': protocol, 'form': form,
             'before': record(protocol, make, 0).hex(),
             'after': record(protocol, make, SHIFT).hex()}
            for protocol in range(1, 6) for form, make in CASES],
        'refused': [
            {'protocol': protocol, 'form': form, 'record': record(protocol, make, 0).hex()}
            for protocol in (1, 3, 5) for form, make in REFUSED],
    }, indent=1).replace('78' * 70000, '@'))
