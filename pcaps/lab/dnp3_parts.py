"""What both sides of a DNP3 connection need: dnp3py's own frames, segments and fragments, and the objects that it has none
of, laid out as IEEE 1815-2012, annex A, has them, in its `ObjectBlock`."""

import struct

from dnp3.application.fragment import ObjectBlock
from dnp3.application.qualifiers import ObjectHeader
from dnp3.datalink.builder import build_unconfirmed_user_data
from dnp3.datalink.parser import FrameParser
from dnp3.transport.reassembler import Reassembler
from dnp3.transport.segment import TransportSegment
from dnp3.transport.segmenter import Segmenter

VSTR, UINT, INT, FLT, OSTR, BSTR, TIME, LIST = 1, 2, 3, 4, 5, 6, 7, 254


class Link:
    """One side of a connection: fragments in and out."""

    def __init__(self, connection, own, peer, is_master):
        self.connection, self.own, self.peer, self.is_master = connection, own, peer, is_master
        self.parser, self.reassembler, self.segmenter = FrameParser(), Reassembler(), Segmenter()
        self.waiting = []

    def send(self, fragment):
        """Sends a fragment, each frame in a segment of TCP's own choice."""
        frames = b"".join(
            build_unconfirmed_user_data(self.peer, self.own, self.is_master, segment.to_bytes()).to_bytes()
            for segment in self.segmenter.segment(fragment))
        self.connection.sendall(frames)

    def receive(self):
        """The next fragment, or None at the end of the connection."""
        while not self.waiting:
            data = self.connection.recv(4096)
            if not data:
                return None
            for frame in self.parser.feed(data):
                if frame.user_data and (whole := self.reassembler.add(TransportSegment.from_bytes(frame.user_data))):
                    self.waiting.append(whole.data)
        return self.waiting.pop(0)


def block(group, variation, qualifier, data=b""):
    return ObjectBlock(ObjectHeader(group, variation, qualifier), data)


def span(group, variation, first, last, data=b""):
    """Objects from a first to a last index (qualifier 0x00)."""
    return block(group, variation, 0x00, bytes([first, last]) + data)


def everything(group, variation):
    return block(group, variation, 0x06)


def counted(group, variation, *objects):
    """Objects without indexes (qualifier 0x07)."""
    return block(group, variation, 0x07, bytes([len(objects)]) + b"".join(objects))


def indexed(group, variation, *objects):
    """Objects with indexes of one octet (qualifier 0x17)."""
    return block(group, variation, 0x17, bytes([len(objects)]) + b"".join(bytes([index]) + data for index, data in objects))


def sized(group, variation, data):
    """One object in free format with its size in front (qualifier 0x5B)."""
    return block(group, variation, 0x5B, b"\x01" + struct.pack("<H", len(data)) + data)


def time48(milliseconds):
    return struct.pack("<Q", milliseconds)[:6]


def attribute(number, kind, value, attribute_set=0):
    """A.1: data type, length, value."""
    if kind == VSTR:
        value = value.encode("utf-8")
    elif kind == UINT:
        value = value.to_bytes(next(length for length in (1, 2, 4, 8) if value < 1 << 8 * length), "little")
    elif kind == FLT:
        value = struct.pack("<f", value)
    elif kind == TIME:
        value = time48(value)
    else:
        value = bytes(value)
    return span(0, number, attribute_set, attribute_set, bytes([kind, len(value)]) + value)


def string(group, index, text):
    """Octet strings and virtual terminals (A.41 to A.44): the variation is the length."""
    data = text.encode("utf-8")
    return indexed(group, len(data), (index, data))


def file_login(user="", password="", key=0):
    """A.27.2"""
    user, password = user.encode(), password.encode()
    return sized(70, 2, struct.pack("<HHHHI", 12, len(user), 12 + len(user), len(password), key) + user + password)


def file_command(name, mode=0, size=0, key=0, request=0, block_size=1024):
    """A.27.3"""
    name = name.encode()
    return sized(70, 3, struct.pack("<HH", 26, len(name)) + time48(0) +
                 struct.pack("<HIIHHH", 0o600, key, size, mode, block_size, request) + name)


def file_status(handle, size=0, request=0, status=0, block_size=1024):
    """A.27.4"""
    return sized(70, 4, struct.pack("<IIHHB", handle, size, block_size, request, status))


def file_block(handle, number, data=b"", last=False):
    """A.27.5"""
    return sized(70, 5, struct.pack("<II", handle, number | (0x80000000 if last else 0)) + data)


def file_block_status(handle, number, status=0):
    """A.27.6"""
    return sized(70, 6, struct.pack("<IIB", handle, number, status))


def file_descriptor(name, kind, size, request=0):
    """A.27.7; without a free format it is also what a directory holds."""
    name = name.encode()
    return struct.pack("<HHHI", 20, len(name), kind, size) + time48(0) + struct.pack("<HH", 0o600, request) + name


def challenge(sequence, user, mac, data):
    return sized(120, 1, struct.pack("<IHBB", sequence, user, mac, 1) + data)


def proof(sequence, user, mac):
    return sized(120, 2, struct.pack("<IH", sequence, user) + mac)


def key_status(sequence, user, wrap, status, mac, data):
    return sized(120, 5, struct.pack("<IHBBBH", sequence, user, wrap, status, mac, len(data)) + data)


def key_change(sequence, user, data):
    return sized(120, 6, struct.pack("<IH", sequence, user) + data)


def security_error(sequence, user, code, text, when):
    return sized(120, 7, struct.pack("<IHHB", sequence, user, 0, code) + time48(when) + text.encode())


def user_change(method, operation, sequence, role, days, name, key=b"", certificate=b""):
    name = name.encode()
    return sized(120, 10, struct.pack("<BBIHHHHH", method, operation, sequence, role, days, len(name), len(key),
                                      len(certificate)) + name + key + certificate)
