"""Writes one capture in other file formats. Real tools where one writes the format, else the few header fields by hand."""

import struct
import subprocess


def variants(nano):
    """From a nanosecond pcap: every other format, beside it."""
    folder = nano.parent

    def edited(name, *options):
        path = folder / name
        subprocess.run(["editcap", *options, nano, path], check=True)
        return path

    micro = edited("microsecond.pcap", "-F", "pcap")
    block = edited("nanosecond.pcapng", "-F", "pcapng")
    return [micro, block, edited("modified.pcap", "-F", "modpcap"), swapped_pcap(micro, folder / "big_endian.pcap"),
            swapped_pcap(nano, folder / "big_endian_nanosecond.pcap"), big_endian_pcapng(nano, folder / "big_endian.pcapng"),
            several_interfaces(nano, micro, folder / "interfaces.pcapng")]


def packets(pcap):
    """Seconds, fraction, captured length, length and octets of each packet of a little-endian pcap."""
    data = pcap.read_bytes()
    position = 24
    while position < len(data):
        header = struct.unpack_from("<4I", data, position)
        position += 16
        yield *header, data[position:position + header[2]]
        position += header[2]


def tag(pcap, vlan):
    """Puts an 802.1Q tag into every frame, as a switch does on its trunk."""
    records = []
    for seconds, fraction, captured, length, octets in packets(pcap):
        octets = octets[:12] + struct.pack(">HH", 0x8100, vlan) + octets[12:]
        records.append(struct.pack("<4I", seconds, fraction, captured + 4, length + 4) + octets)
    pcap.write_bytes(pcap.read_bytes()[:24] + b"".join(records))


def swapped_pcap(source, path):
    """As a big-endian machine writes it: the headers alone are swapped."""
    header = struct.unpack_from("<IHHiIII", source.read_bytes())
    records = (struct.pack(">4I", *numbers) + octets for *numbers, octets in packets(source))
    path.write_bytes(struct.pack(">IHHiIII", *header) + b"".join(records))
    return path


def big_endian_pcapng(nano, path):
    """A big-endian section with one Ethernet interface of nanosecond resolution."""
    def padded(octets):
        return octets + b"\0" * (-len(octets) % 4)

    def block(kind, body):
        size = 12 + len(body)
        return struct.pack(">II", kind, size) + body + struct.pack(">I", size)

    def option(code, value):
        return struct.pack(">HH", code, len(value)) + padded(value)

    end = option(0, b"")
    section = block(0x0A0D0D0A, struct.pack(">IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block(1, struct.pack(">HHI", 1, 0, 262144) + option(2, b"br0") + option(9, b"\x09") + end)
    written = [section, interface]
    for seconds, fraction, captured, length, octets in packets(nano):
        time = seconds * 10**9 + fraction
        written.append(block(6, struct.pack(">IIIII", 0, time >> 32, time & 0xFFFFFFFF, captured, length) + padded(octets)))
    path.write_bytes(b"".join(written))
    return path


def several_interfaces(nano, micro, path):
    """The session in three parts, one interface each: nanoseconds, microseconds, nanoseconds again."""
    count = sum(1 for _ in packets(nano))
    ends = [0, count // 3, 2 * count // 3, count]
    parts = []
    for number, source in enumerate((nano, micro, nano)):
        part = path.with_suffix(f".{number}.pcap")
        kind = "pcap" if source == micro else "nsecpcap"
        subprocess.run(["editcap", "-r", "-F", kind, source, part, f"{ends[number] + 1}-{ends[number + 1]}"], check=True)
        parts.append(part)
    subprocess.run(["mergecap", "-I", "none", "-w", path, *parts], check=True)
    for part in parts:
        part.unlink()
    return path
