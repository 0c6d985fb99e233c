#!/usr/bin/env python3
"""A DNP3 master that does what its arguments say, step by step: ADDRESS OUTSTATION SHIFT STEP... Requests are dnp3py's own;
objects that it has none of come from dnp3_parts.py. A step is a name and its parameters, separated by commas."""

import hashlib
import hmac
import socket
import struct
import sys
import time

from dnp3.application.builder import build_confirm_request, build_integrity_poll
from dnp3.application.fragment import RequestFragment
from dnp3.application.header import RequestHeader
from dnp3.core.enums import FunctionCode
from dnp3.master.commands import CommandBuilder

from dnp3_parts import (VSTR, Link, attribute, block, counted, everything, file_block, file_command, file_descriptor, file_login,
                        file_status, key_change, proof, sized, span, string, time48, user_change)

MASTER = 1
CHUNK = 200
LAST, CONFIRM = 0x40, 0x20


class Engineer:
    def __init__(self, address, outstation, shift):
        self.link = Link(socket.create_connection((address, 20000), timeout=20), MASTER, outstation, is_master=True)
        self.sequence, self.shift, self.key = 0, shift, 0

    def now(self):
        return int((time.time() + self.shift) * 1000)

    def ask(self, function, *objects, answered=True):
        if function in list(FunctionCode):
            header = RequestHeader.build(function=FunctionCode(function), seq=self.sequence)
            request = RequestFragment(header=header, objects=objects).to_bytes()
        else:  # dnp3py knows no 31 to 33
            request = bytes([0xC0 | self.sequence, function]) + b"".join(block.to_bytes() for block in objects)
        return self.send(request, answered)

    def send(self, request, answered=True):
        self.sequence = (self.sequence + 1) & 0x0F
        self.link.send(request)
        answer = self.receive() if answered else b""
        time.sleep(0.05)
        return answer

    def receive(self):
        """An answer, of several fragments the last; what comes unasked before it, and what wants to be, is confirmed."""
        while True:
            fragment = self.link.receive()
            if fragment[0] & CONFIRM:
                self.link.send(self.confirmation(fragment))
            if fragment[1] != 130 and fragment[0] & LAST:
                self.sequence = (fragment[0] + 1) & 0x0F
                return fragment

    @staticmethod
    def confirmation(fragment):
        confirm = bytearray(build_confirm_request(fragment[0] & 0x0F).to_bytes())
        confirm[0] |= fragment[0] & 0x10
        return bytes(confirm)

    # Steps.

    def integrity(self):
        self.send(build_integrity_poll(self.sequence).to_bytes())

    def attributes(self, attribute_set="0"):
        self.ask(1, span(0, 254, int(attribute_set), int(attribute_set)))

    def attribute(self, number):
        self.ask(1, span(0, int(number), 0, 0))

    def name(self, number, text):
        self.ask(2, attribute(int(number), VSTR, text))

    def clear_restart(self):
        self.ask(2, span(80, 1, 7, 7, b"\0"))

    def set_clock(self, ahead="0"):
        self.ask(2, counted(50, 1, time48(self.now() + int(ahead) * 1000)))

    def clock(self):
        self.ask(1, block(50, 1, 0x07, b"\x01"))

    def deadband(self, index, value):
        self.ask(2, span(34, 1, int(index), int(index), struct.pack("<H", int(value))))

    def classes(self):
        self.ask(22, everything(60, 2), span(1, 0, 0, 3), everything(60, 3), everything(30, 0))

    def freeze(self):
        self.ask(7, everything(20, 0))

    def strings(self):
        self.ask(1, everything(110, 0))

    def statistics(self):
        self.ask(1, everything(121, 0))

    def unknown(self):
        self.ask(1, everything(240, 0))

    def operate(self, kind, index, *values):
        """Select before operate, or at once; a command of dnp3py's own."""
        command = CommandBuilder()
        if kind == "analog":
            command.add_analog(int(index), float(values[0]))
        else:
            getattr(command, kind)(int(index))
        if "select" in values:
            self.send(command.build_select().build_request(self.sequence).to_bytes())
            self.send(command.build_operate().build_request(self.sequence).to_bytes())
        else:
            self.send(command.build_direct_operate().build_request(self.sequence).to_bytes())

    def login(self, user, password):
        answer = self.ask(29, file_login(user, password))
        self.key = struct.unpack_from("<I", answer, 4 + 6 + 8)[0]

    def handle(self, answer):
        """Handle and status of an opened file."""
        handle, size, _, _, status = struct.unpack_from("<IIHHB", answer, 4 + 6)
        return handle, size, status

    def read(self, name):
        handle, size, status = self.handle(self.ask(25, file_command(name, 1, request=4)))
        if status:
            return
        for number in range(max(1, -(-size // CHUNK))):
            self.ask(1, file_block(handle, number))
        self.ask(26, file_status(handle, request=5))

    def write(self, name, text, ending="close"):
        data = text.encode() * 20
        handle, _, status = self.handle(self.ask(25, file_command(name, 2, len(data), self.key, 6)))
        if status:
            return
        count = -(-len(data) // CHUNK)
        for number in range(count):
            self.ask(2, file_block(handle, number, data[number * CHUNK:(number + 1) * CHUNK], last=number + 1 == count))
        self.ask(26 if ending == "close" else 30, file_status(handle, request=7))

    def delete(self, name):
        self.ask(27, file_command(name, request=8))

    def information(self, name):
        self.ask(28, sized(70, 7, file_descriptor(name, 0, 0, 9)))

    def activate(self, name):
        self.ask(31, sized(70, 8, name.encode()))

    def session_keys(self):
        self.ask(32, counted(120, 4, struct.pack("<H", 1)))
        self.ask(32, key_change(1, 1, bytes(24)))

    def proved(self, index, key="right"):
        """A control that is challenged, and its proof."""
        sequence = self.sequence
        request = CommandBuilder().latch_on(int(index)).build_direct_operate().build_request(sequence).to_bytes()
        asked = self.send(request)
        data = asked[4 + 6 + 8:]
        secret = bytes(range(16)) if key == "right" else bytes(16)
        self.sequence = sequence
        self.ask(32, proof(3, 1, hmac.new(secret, data + request, hashlib.sha256).digest()[:16]))

    def add_user(self, name):
        self.ask(32, user_change(4, 1, 1, 1, 30, name))

    def certificate(self):
        self.ask(32, sized(120, 8, bytes([68, 1]) + bytes(range(120))))

    def type(self, text):
        """Types a line at the console, and reads what it shows."""
        self.ask(2, string(112, 0, text + "\r"))
        self.link.connection.settimeout(0.5)
        try:
            while (fragment := self.link.receive()) is not None:
                self.link.send(self.confirmation(fragment))
        except TimeoutError:
            pass
        self.link.connection.settimeout(20)

    def listen(self, count):
        """Confirms what comes unasked."""
        for _ in range(int(count)):
            self.link.send(self.confirmation(self.link.receive()))

    def pause(self, seconds):
        time.sleep(float(seconds))


def main():
    address, outstation, shift, *steps = sys.argv[1:]
    engineer = Engineer(address, int(outstation), int(shift))
    for step in steps:
        name, *parameters = step.split(",")
        getattr(engineer, name)(*parameters)


if __name__ == "__main__":
    main()
