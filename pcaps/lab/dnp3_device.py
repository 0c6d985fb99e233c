#!/usr/bin/env python3
"""A DNP3 outstation: dnp3py's own `Outstation` answers what it knows; attributes, files, octet strings, a virtual terminal and
secure authentication, for which it has no objects, are answered here. Its configuration is the only argument, in JSON."""

import hashlib
import hmac
import json
import os
import socket
import struct
import sys
import time

from dnp3.application.builder import build_response, build_unsolicited_response
from dnp3.application.header import ResponseHeader
from dnp3.application.fragment import ResponseFragment
from dnp3.core.enums import FunctionCode
from dnp3.core.flags import IIN
from dnp3.database.database import Database
from dnp3.outstation.config import OutstationConfig
from dnp3.outstation.handler import CommandResult, DefaultCommandHandler
from dnp3.outstation.outstation import Outstation

from dnp3_parts import (LIST, Link, attribute, challenge, counted, file_block, file_block_status, file_descriptor, file_login,
                        file_status, indexed, key_status, security_error, sized, string, time48)

READ, WRITE, DIRECT_OPERATE, OPEN, CLOSE, DELETE, INFO, LOGIN, ABORT, AUTHENTICATE = 1, 2, 5, 25, 26, 27, 28, 29, 30, 32
SUCCESS, PERMISSION_DENIED, NOT_FOUND = 0, 1, 3
CHUNK = 200


class Outputs(DefaultCommandHandler):
    """Output 3 is switched at the device alone."""

    def _result(self, index):
        return CommandResult.local() if index == 3 else CommandResult.success()

    def select_binary_output(self, index, **_):
        return self._result(index)

    operate_binary_output = direct_operate_binary_output = select_binary_output
    select_analog_output = operate_analog_output = direct_operate_analog_output = select_binary_output


class Device:
    def __init__(self, settings):
        self.settings = settings
        database = Database()
        for index in range(settings.get("points", 4)):
            database.add_binary_input(index)
            database.add_binary_output(index)
            database.add_analog_input(index)
            database.add_analog_output(index)
            database.add_counter(index)
        config = OutstationConfig(address=settings["address"], max_fragment_size=settings.get("fragment", 2048))
        self.outstation = Outstation(config, database, Outputs())
        self.attributes = {(a[0], a[1]): (a[2], a[3]) for a in settings.get("attributes", [])}
        self.files = {name: text.encode() for name, text in settings.get("files", {}).items()}
        self.open, self.handles, self.logins = {}, 0x1000, set()
        self.key, self.expected = bytes(range(16)), None
        self.console = list(settings.get("console", []))

    def now(self):
        return int(time.time() * 1000) + self.settings.get("shift_seconds", 0) * 1000

    def answer(self, request):
        """The fragments that answer a request, as octets."""
        function, sequence = request[1], request[0] & 0x0F
        group = request[2] if len(request) > 2 else None
        reply = None
        if group == 0 and function in (READ, WRITE):
            reply = self.attribute(function, request[2:])
        elif group == 70:
            reply = self.file(function, request[2:])
        elif group in (50, 110, 121) and function == READ:
            reply = {50: lambda: [counted(50, 1, time48(self.now() - 90_000))],
                     110: lambda: [string(110, n, text) for n, text in enumerate(self.settings.get("strings", []))],
                     121: lambda: [indexed(121, 1, (2, struct.pack("<BHI", 1, 0, 3)), (5, struct.pack("<BHI", 1, 0, 4711)))],
                     }[group]()
        elif group == 112 and function == WRITE:
            reply = []
        elif function == AUTHENTICATE:
            return self.authenticate(sequence, request)
        elif function == DIRECT_OPERATE and self.settings.get("secure"):
            self.expected = (request, os.urandom(4))
            return [self.security(sequence, challenge(3, 0, 4, self.expected[1]))]
        if reply is None:
            return [fragment.to_bytes() for fragment in self.outstation.process_request(request)]
        objects, iin = reply if isinstance(reply, tuple) else (reply, IIN(0))
        return [build_response(tuple(objects), iin=iin | self.outstation.iin, seq=sequence).to_bytes()]

    def attribute(self, function, objects):
        number, of = objects[1], objects[3]
        if function == WRITE:
            if number not in self.settings.get("writable", []):
                return [], IIN.PARAMETER_ERROR
            length = objects[6]
            self.attributes[of, number] = (objects[5], objects[7:7 + length].decode())
            return []
        if number == 255:
            numbers = sorted(n for s, n in self.attributes if s == of)
            pairs = bytes(octet for n in numbers for octet in (n, n in self.settings.get("writable", [])))
            return [attribute(255, LIST, pairs, of)]
        return [attribute(n, kind, value, of) for (s, n), (kind, value) in self.attributes.items()
                if s == of and number in (n, 254)]

    def file(self, function, objects):
        variation, body = objects[1], objects[6:]
        if function == LOGIN:
            user, password = body[12:].decode(), ""
            offset, length = struct.unpack_from("<HH", body)
            user = body[offset:offset + length].decode()
            offset, length = struct.unpack_from("<HH", body, 4)
            password = body[offset:offset + length].decode()
            known = [user, password] == self.settings.get("login")
            key = 0x5EED0001 if known else 0
            self.logins |= {key} - {0}
            return [file_login(key=key)]
        if variation == 3:
            offset, length = struct.unpack_from("<HH", body)
            name = body[offset:offset + length].decode()
            key, _size, mode, _block, request = struct.unpack_from("<IIHHH", body, 12)
            return [self.command(function, name, key, mode, request)]
        if variation == 4:
            handle, = struct.unpack_from("<I", body)
            request, = struct.unpack_from("<H", body, 10)
            name, mode, data = self.open.pop(handle, ("", 0, b""))
            if mode in (2, 3) and function == CLOSE:
                self.files[name] = data
            return [file_status(handle, 0, request)]
        if variation == 5:
            handle, number = struct.unpack_from("<II", body)
            name, mode, data = self.open[handle]
            number &= 0x7FFFFFFF
            if function == READ:
                piece = data[number * CHUNK:(number + 1) * CHUNK]
                return [file_block(handle, number, piece, last=(number + 1) * CHUNK >= len(data))]
            self.open[handle] = (name, mode, data + body[8:])
            return [file_block_status(handle, number)]
        if variation == 7:
            offset, length = struct.unpack_from("<HH", body)
            name = body[offset:offset + length].decode()
            return [sized(70, 7, file_descriptor(name, 1, len(self.files.get(name, b"")), 9))]
        return None

    def command(self, function, name, key, mode, request):
        if function == DELETE:
            return file_status(0, 0, request, SUCCESS if self.files.pop(name, None) is not None else NOT_FOUND)
        if mode in (2, 3) and key not in self.logins:
            return file_status(0, 0, request, PERMISSION_DENIED)
        if name == "/":
            data = b"".join(file_descriptor(n, 1, len(d)) for n, d in self.files.items())
        elif mode == 1 and name not in self.files:
            return file_status(0, 0, request, NOT_FOUND)
        else:
            data = self.files.get(name, b"") if mode == 1 else b""
        self.handles += 1
        self.open[self.handles] = (name, mode, data)
        return file_status(self.handles, len(data), request)

    def security(self, sequence, *objects):
        header = ResponseHeader.build(function=FunctionCode.AUTHENTICATE_RESPONSE, iin=self.outstation.iin, seq=sequence)
        return ResponseFragment(header=header, objects=objects).to_bytes()

    def authenticate(self, sequence, request):
        variation, body = request[3], request[8:]
        if variation == 4:  # how the session keys are
            return [self.security(sequence, key_status(1, 1, 1, 2, 0, os.urandom(4)))]
        if variation == 6:
            return [self.security(sequence, key_status(2, 1, 1, 1, 4, os.urandom(4)))]
        if variation == 2 and self.expected:
            asked, data = self.expected
            self.expected = None
            if hmac.compare_digest(body[6:], hmac.new(self.key, data + asked, hashlib.sha256).digest()[:16]):
                return [fragment.to_bytes() for fragment in self.outstation.process_request(asked)]
            return [self.security(sequence, security_error(3, 1, 1, "wrong key", self.now()))]
        return [self.security(sequence)]

    def serve(self, connection):
        link = Link(connection, self.settings["address"], self.settings["master"], is_master=False)
        uns, storm = 0, self.settings.get("storm", 0)
        while (request := link.receive()) is not None:
            if request[1] == 0:
                continue
            *others, last = self.answer(request)
            for fragment in others:  # each but the last waits until it is confirmed
                link.send(bytes([fragment[0] | 0x20]) + fragment[1:])
                link.receive()
            link.send(last)
            for number in range(storm):  # a contact that bounces
                event = indexed(2, 1, (1, bytes([0x81 if number % 2 else 0x01])))
                told = build_unsolicited_response((event,), iin=self.outstation.iin, seq=uns, con=True)
                uns = (uns + 1) & 0x0F
                link.send(told.to_bytes())
                link.receive()
                time.sleep(0.1)
            storm = 0
            if request[1] == WRITE and request[2] == 112 and self.console:
                for text in self.console.pop(0):
                    shown = build_unsolicited_response((string(113, 0, text),), iin=self.outstation.iin, seq=uns, con=True)
                    uns = (uns + 1) & 0x0F
                    link.send(shown.to_bytes())
                    link.receive()  # its confirmation


def main():
    settings = json.loads(sys.argv[1])
    device = Device(settings)
    with socket.create_server(("0.0.0.0", settings.get("port", 20000))) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                device.serve(connection)


if __name__ == "__main__":
    main()
