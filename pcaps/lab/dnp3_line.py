#!/usr/bin/env python3
"""A serial line of DNP3 outstations behind one address, and a master that polls it; over TCP or UDP, frames by dnp3py:

    dnp3_line.py serve PORT tcp|udp ADDRESS...
    dnp3_line.py poll IP PORT tcp|udp STEP...

A step is a name, then parameters, separated by commas; the first of them is mostly a link address."""

import socket
import sys
import time

from dnp3.application import builder as application
from dnp3.core.flags import IIN
from dnp3.database.database import Database
from dnp3.datalink import builder as link
from dnp3.datalink.parser import FrameParser
from dnp3.master.commands import CommandBuilder
from dnp3.outstation.config import OutstationConfig
from dnp3.outstation.handler import DefaultCommandHandler
from dnp3.outstation.outstation import Outstation
from dnp3.transport.reassembler import Reassembler
from dnp3.transport.segment import TransportSegment
from dnp3.transport.segmenter import Segmenter

MASTER = 1
STATUS, ENABLE = 9, 20
BROADCAST = 0xFFFD


class Station:
    def __init__(self, address):
        self.address, self.reassembler, self.segmenter = address, Reassembler(), Segmenter()
        database = Database()
        for index in range(90 if address == 13 else 3):
            database.add_binary_input(index)
            database.add_binary_output(index)
            database.add_analog_input(index)
            database.add_counter(index)
        self.outstation = Outstation(OutstationConfig(address=address), database, DefaultCommandHandler())

    def frames(self, fragment):
        return [link.build_unconfirmed_user_data(MASTER, self.address, False, segment.to_bytes()).to_bytes()
                for segment in self.segmenter.segment(fragment)]

    def hear(self, data):
        """The frames that answer a segment, and those that come unasked behind them."""
        whole = self.reassembler.add(TransportSegment.from_bytes(data))
        if whole is None:
            return [], []
        answers = [frame for fragment in self.outstation.process_request(whole.data) for frame in self.frames(fragment.to_bytes())]
        unasked = []
        if whole.data[1] == ENABLE:
            fragment = application.build_unsolicited_response((), iin=self.outstation.iin | IIN.DEVICE_TROUBLE, seq=0, con=True)
            unasked = self.frames(fragment.to_bytes())
        return answers, unasked


def serve(port, kind, *addresses):
    stations = {int(address): Station(int(address)) for address in addresses}
    parser = FrameParser()

    def answer(data, send):
        for frame in parser.feed(data):
            destination, source = frame.header.destination, frame.header.source
            if destination >= BROADCAST:
                for station in stations.values():
                    station.hear(frame.user_data)
            elif destination in stations and frame.user_data:
                answers, unasked = stations[destination].hear(frame.user_data)
                send(b"".join(answers))
                if unasked:
                    time.sleep(0.2)
                    send(b"".join(unasked))
            elif destination in stations and frame.header.control.function_code == STATUS:
                send(link.build_link_status(source, destination, False).to_bytes())

    if kind == "udp":
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", int(port)))
        while True:
            data, peer = server.recvfrom(2048)
            answer(data, lambda frames: frames and server.sendto(frames, peer))
    with socket.create_server(("0.0.0.0", int(port))) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(4096):
                    answer(data, lambda frames: frames and connection.sendall(frames))


class Master:
    def __init__(self, address, port, kind):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        self.socket.connect((address, int(port)))
        self.socket.settimeout(0.4)
        self.sequence, self.segmenter = 0, Segmenter()

    def frame(self, address, fragment):
        segments = self.segmenter.segment(fragment.to_bytes())
        return b"".join(link.build_unconfirmed_user_data(int(address), MASTER, True, s.to_bytes()).to_bytes() for s in segments)

    def ask(self, address, build, *arguments, before=b"", pieces=1):
        fragment = build(*arguments, self.sequence)
        self.sequence = (self.sequence + 1) & 0x0F
        data = before + self.frame(address, fragment)
        step = -(-len(data) // pieces)
        for at in range(0, len(data), step):
            self.socket.sendall(data[at:at + step])
            time.sleep(0.02)
        self.hear()

    def hear(self):
        try:
            while self.socket.recv(4096):
                pass
        except TimeoutError:
            pass

    def poll(self, address):
        self.ask(address, application.build_integrity_poll)

    def pieces(self, address):
        """A poll in three segments of TCP."""
        self.ask(address, application.build_integrity_poll, pieces=3)

    def noise(self, address):
        """What a disturbed line passes on: octets that are none of a frame, and a frame with a wrong octet; then a poll."""
        broken = bytearray(self.frame(address, application.build_integrity_poll(self.sequence)))
        broken[12] ^= 0x04
        self.ask(address, application.build_integrity_poll, before=b"\xff\x00\x05" + bytes(broken))

    def cold_restart(self, address):
        self.ask(address, application.build_cold_restart_request)

    def warm_restart(self, address):
        self.ask(address, application.build_warm_restart_request)

    def unsolicited(self, address):
        self.ask(address, lambda sequence: application.build_enable_unsolicited_request(seq=sequence))
        confirm = bytearray(application.build_confirm_request(0).to_bytes())
        confirm[0] |= 0x10
        segments = self.segmenter.segment(bytes(confirm))
        self.socket.sendall(b"".join(
            link.build_unconfirmed_user_data(int(address), MASTER, True, s.to_bytes()).to_bytes() for s in segments))

    def select(self, address, index, then="operate"):
        command = CommandBuilder()
        command.latch_on(int(index))
        self.ask(address, command.build_select().build_request)
        if then == "operate":
            self.ask(address, command.build_operate().build_request)

    def status(self, address):
        self.socket.sendall(link.build_request_link_status(int(address), MASTER, True).to_bytes())
        self.hear()

    def burst(self, count):
        """Who is there? As scanners ask."""
        self.socket.sendall(b"".join(link.build_request_link_status(n, 0, True).to_bytes() for n in range(int(count))))
        self.hear()


def poll(address, port, kind, *steps):
    master = Master(address, port, kind)
    for step in steps:
        name, *parameters = step.split(",")
        getattr(master, name)(*parameters)


if __name__ == "__main__":
    {"serve": serve, "poll": poll}[sys.argv[1]](*sys.argv[2:])
