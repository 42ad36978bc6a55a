# NEO 1.11's neolog runs this text, and expects to find in it what reads packets: so here is what
# reads them as `protocol` says. Nothing else ever runs it; `neo log` takes `protocol` as data.
from datetime import datetime
from struct import Struct


class PacketMalformedError(Exception):
    pass


class Body(object):
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        at = self.at
        self.at += size
        if self.at > len(self.data):
            raise PacketMalformedError
        return self.data[at:self.at]


class EnumItem(int):
    def __str__(self):
        return self.name

    def __repr__(self):
        return '<EnumItem %s (%d)>' % (self.name, self)


def number(code, none=None):
    struct = Struct('!' + code)

    def read(body):
        data = body.take(struct.size)
        return None if data == none else struct.unpack(data)[0]
    return read


u8, i8, u16, u32 = number('B'), number('b'), number('H'), number('L')


def read_id(body):
    data = body.take(8)
    return None if data == '\xff' * 8 else data


def read_bytes(body):
    return body.take(u32(body))


def read_address(body):
    host = read_bytes(body)
    return (host, u16(body)) if host else None


SCALARS = {
    'u32': u32,
    'index': number('Q'),
    'bool': number('?'),
    'nid': number('l', '\0' * 4),
    'signed': number('l', '\0' * 4),
    'ptid': number('Q', '\0' * 8),
    'tid': read_id,
    'oid': read_id,
    'timestamp': number('d', '\xff' * 8),
    'checksum': lambda body: body.take(20),
    'bytes': read_bytes,
    'address': read_address,
}


def enumeration(names):
    items = {-1: None}
    for value, name in enumerate(names):
        if name:
            items[value] = EnumItem(value)
            items[value].name = name

    def read(body):
        try:
            return items[i8(body)]
        except KeyError:
            raise PacketMalformedError
    return read


class Field(object):
    def __init__(self, name, read):
        self._name = name
        self.read = read


class PBoolean(Field):
    pass


class PStruct(Field):
    def __init__(self, name, fields):
        self._name = name
        self._items = [field(*x) for x in fields]

    def read(self, body):
        return tuple([x.read(body) for x in self._items])


def field(name, kind):
    if kind == 'bool':
        return PBoolean(name, SCALARS[kind])
    if type(kind) is str:
        if kind in SCALARS:
            return Field(name, SCALARS[kind])
        if kind in protocol['enumerations']:
            return Field(name, enumeration(protocol['enumerations'][kind]))
        return PStruct(name, protocol['structs'][kind])
    if 'list' in kind:
        item = field(name, kind['list'])
        return Field(name, lambda body: [item.read(body) for _ in xrange(u32(body))])
    if 'dict' in kind:
        key, value = [field(name, x) for x in kind['dict']]
        return Field(name, lambda body: dict(
            (key.read(body), value.read(body)) for _ in xrange(u32(body))))
    option = field(name, kind['option'])
    if isinstance(option, PStruct):
        return Option(name, protocol['structs'][kind['option']])
    return Field(name, lambda body: option.read(body) if u8(body) else None)


class Option(PStruct):
    def read(self, body):
        return PStruct.read(self, body) if u8(body) else None


def uuid_str(nid):
    if not nid:
        return 'None'
    letter = protocol['nodeIds'].get(str(nid >> 24 & 255), '?')
    return letter + str(nid & 0xffffff)


def node_lines(timestamp, nodes):
    rows = [(
        uuid_str(nid),
        str(kind),
        '' if not address else ('[%s]:%s' if ':' in address[0] else '%s:%s') % address,
        str(state),
        str(since and datetime.utcfromtimestamp(since)),
    ) for kind, address, nid, state, since in sorted(nodes, key=lambda x: x[2])]
    widths = [max(map(len, column)) for column in zip(*rows)][:-1] + [0]
    return (timestamp,), [
        ' ! ' + ' | '.join(x.ljust(width) for x, width in zip(row, widths)) for row in rows]


class Packet(object):
    def decode(self):
        body = Body(self._body)
        args = self._fmt.read(body) if self._fmt else ()
        if body.at < len(body.data):
            raise PacketMalformedError
        return args


def packet_class(code, name, fields):
    shown = {
        'NotifyNodeInformation': node_lines,
        'Error': lambda *args: ((), ['%s (%s)' % args]),
    }.get(name)
    members = {'_code': code, '_fmt': PStruct(name, fields) if fields else None}
    if shown:
        members['_neolog'] = staticmethod(shown)
    return type(name, (Packet,), members)


Packets = dict(
    (int(code), packet_class(int(code), *x)) for code, x in protocol['packets'].items())
