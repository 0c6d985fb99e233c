#!/usr/bin/env python3
"""Lays the messages of `bacnet/router.pcap` out as other carriers bear them, which no stack here sends:

    bacnet_frames.py mstp|arcnet|ipv6 ROUTER_PCAP FILE

`mstp` and `arcnet` show the field bus behind that router, as the router passes the messages on (ASHRAE 135, 6.5): the router
is station 0 of network 2001, the workstation stands on network 1001. `ipv6` shows the same exchange between hosts of BACnet/IPv6,
in datagrams that bacpypes3 encodes, and each function of its annex U once.
"""

import struct
import sys
from ipaddress import IPv6Address as Ip

ETHERNET, ARCNET, MSTP = 1, 129, 165
# Station 0 is everybody on ARCNET.
ROUTER = 254
CLIENT = bytes([10, 20, 0, 199]) + struct.pack(">H", 47808)


def datagrams(path):
    """Time, source and destination (IP), and payload of each UDP datagram of a microsecond pcap."""
    data = open(path, "rb").read()
    at = 24
    while at < len(data):
        seconds, micros, length, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16:at + 16 + length]
        at += 16 + length
        if frame[12:14] == b"\x08\x00" and frame[23] == 17:
            yield seconds * 1_000_000 + micros, frame[26:30], frame[30:34], frame[42:]


def npdus(path):
    """The first messages and the last: enough to know the stations by, and a write."""
    everything = list(all_npdus(path))
    return everything[:27] + everything[-4:]


def all_npdus(path):
    """Time, whether the workstation sends it, the station behind the router (None: all), and the APDU."""
    for time, source, _, payload in datagrams(path):
        npdu, control = payload[4:], payload[5]
        at, station = 2, None
        is_request = source == CLIENT[:4]
        for bit in (0x20, 0x08):
            if control & bit:
                length = npdu[at + 2]
                if (bit == 0x20) == is_request and length == 1:
                    station = npdu[at + 3]
                at += 3 + length
        at += 1 if control & 0x20 else 0
        if not control & 0x80 and (station is not None or is_request and npdu[at] >> 4 == 1):
            yield time, is_request, station, npdu[at:]


def behind(path):
    """The same as the router passes it on: time, source and destination on the bus, whether an answer is expected, NPDU."""
    for time, is_request, station, apdu in npdus(path):
        waits = apdu[0] >> 4 == 0
        if is_request:
            npdu = bytes([1, 0x08 | 4 * waits]) + b"\x03\xe9\x06" + CLIENT + apdu
            yield time, 0, station, waits, npdu
        else:
            yield time, station, 0, waits, b"\x01\x20\x03\xe9\x06" + CLIENT + b"\xff" + apdu


def write(path, link_type, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type))
        for time, frame in frames:
            file.write(struct.pack("<IIII", *divmod(time, 1_000_000), len(frame), len(frame)) + frame)


def header_crc(data):
    """ASHRAE 135, G.1, bit by bit."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            # x^8 + x^7 + 1, the lowest bit first
            crc = crc >> 1 ^ (0x81 if crc & 1 else 0)
    return ~crc & 0xFF


def data_crc(data):
    """ASHRAE 135, G.2: CRC-16/X-25."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return struct.pack("<H", ~crc & 0xFFFF)


def mstp_frame(kind, destination, source, data=b""):
    header = bytes([kind, destination, source]) + struct.pack(">H", len(data))
    return b"\x55\xff" + header + bytes([header_crc(header)]) + (data + data_crc(data) if data else b"")


def mstp(path):
    token, poll, reply, data_reply, data = 0, 1, 2, 5, 6
    frames, last = [], 0
    for time, source, destination, waits, npdu in behind(path):
        destination = 255 if destination is None else destination
        frames.append((time, mstp_frame(data_reply if waits else data, destination, source, npdu)))
        last = time
    for number, after in enumerate(list(frames[::4])):
        frames.append((after[0] + 1500, mstp_frame(token, 5 if number % 2 else 17, 0)))
        frames.append((after[0] + 2500, mstp_frame(poll, 6 + number, 5)))
    frames.append((last + 10_000, mstp_frame(poll, 17, 5)))
    frames.append((last + 11_000, mstp_frame(reply, 5, 17)))
    return sorted(frames)


def arcnet(path):
    """As Linux writes them: source, destination, the offset in the packet buffer, system code 0xcd, LLC."""
    for time, source, destination, _, npdu in behind(path):
        content = b"\xcd\x82\x82\x03" + npdu
        source, destination = (ROUTER if station == 0 else station for station in (source, destination))
        offset = bytes([256 - len(content), 0]) if len(content) < 253 else bytes([0, 512 - len(content)])
        yield time, bytes([source, 0 if destination is None else destination]) + offset + content


def ipv6(path):
    from bacpypes3.ipv6 import bvll
    from bacpypes3.pdu import IPv6Address, VirtualAddress

    def virtual(instance):
        return VirtualAddress(instance.to_bytes(3, "big"))

    workstation, router, everybody = Ip("fd20::199"), Ip("fd20::140"), Ip("ff05::bac0")
    macs = {workstation: "001a4b601199", router: "0002d9171140", everybody: "33330000bac0"}
    own = {workstation: virtual(4190001), router: virtual(240400)}

    def frame(source, destination, pdu):
        payload = bvll_bytes(pdu)
        datagram = struct.pack(">HHHH", 47808, 47808, 8 + len(payload), 0) + payload
        pseudo = source.packed + destination.packed + struct.pack(">II", len(datagram), 17) + datagram
        total = sum(struct.unpack(f">{(len(pseudo) + 1) // 2}H", pseudo + b"\0" * (len(pseudo) % 2)))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        datagram = datagram[:6] + struct.pack(">H", ~total & 0xFFFF or 0xFFFF) + datagram[8:]
        link = bytes.fromhex(macs[destination] + macs[source] + "86dd")
        return link + struct.pack(">IHBB", 6 << 28, len(datagram), 17, 64) + source.packed + destination.packed + datagram

    def bvll_bytes(pdu):
        """As bacpypes3's codec does it on the way to a socket."""
        return bytes(pdu.encode().pduData)

    start, frames = None, []
    for time, is_request, station, apdu in npdus(path):
        start = start or time
        source, destination = (workstation, router) if is_request else (router, workstation)
        if is_request:
            to = b"\xff\xff\x00" if station is None else b"\x07\xd1\x01" + bytes([station])
            npdu = bytes([1, 0x20 | 4 * (apdu[0] >> 4 == 0)]) + to + b"\xff" + apdu
        else:
            npdu = b"\x01\x08\x07\xd1\x01" + bytes([station]) + apdu
        if station is None:
            frames.append((time, frame(source, everybody, bvll.OriginalBroadcastNPDU(own[source], npdu))))
        else:
            frames.append((time, frame(source, destination, bvll.OriginalUnicastNPDU(own[source], own[destination], npdu))))
    i_am = bytes.fromhex("0120ffff00ff1000c40203abc02205c491032123")
    foreign = IPv6Address("fd21::77")
    w, r = own[workstation], own[router]
    others = [
        (workstation, everybody, bvll.AddressResolution(w, r)),
        (router, workstation, bvll.AddressResolutionACK(r, w)),
        (workstation, router, bvll.VirtualAddressResolution(w)),
        (router, workstation, bvll.VirtualAddressResolutionACK(r, w)),
        (router, everybody, bvll.ForwardedAddressResolution(w, virtual(240576), foreign)),
        (workstation, router, bvll.RegisterForeignDevice(w, 30)),
        (router, workstation, bvll.Result(r, 0)),
        (workstation, router, bvll.DistributeBroadcastToNetwork(w, bytes.fromhex("0120ffff00ff1008"))),
        (router, everybody, bvll.ForwardedNPDU(virtual(240576), foreign, i_am)),
        (workstation, router, bvll.DeleteForeignDeviceTableEntry(w, foreign)),
        (router, workstation, bvll.Result(r, 0xA0)),
    ]
    frames += [(frames[-1][0] + 100_000 * (number + 1), frame(*other)) for number, other in enumerate(others)]
    return frames


kind, router_pcap, target = sys.argv[1:]
write(target, {"mstp": MSTP, "arcnet": ARCNET, "ipv6": ETHERNET}[kind], {"mstp": mstp, "arcnet": arcnet, "ipv6": ipv6}[kind](router_pcap))
