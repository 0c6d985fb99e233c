"""A Modbus TCP client on plain sockets, which cuts its requests where no library does.

    modbus_segments.py HOST UNIT pipelined    several in one segment, one over several, connections interleaved
    modbus_segments.py HOST UNIT octets       octet by octet, cut within the header: tshark 4.0 misses such requests
"""

import socket
import struct
import sys
import time

HOST, UNIT, MANNER = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def request(transaction, function, *numbers):
    body = struct.pack(f">BB{len(numbers)}H", UNIT, function, *numbers)
    return struct.pack(">HHH", transaction, 0, len(body)) + body


def connect():
    connection = socket.create_connection((HOST, 502), timeout=2)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def answers(connection, count):
    """Reads `count` whole answers, or what comes of them in two seconds."""
    data, seen = b"", 0
    try:
        while seen < count:
            data += connection.recv(4096)
            while len(data) >= 6 and len(data) >= (size := 6 + int.from_bytes(data[4:6], "big")):
                data, seen = data[size:], seen + 1
    except TimeoutError:
        print(f"{seen} of {count} answers", file=sys.stderr)


def send(connection, *pieces, pause=0.02):
    for piece in pieces:
        connection.sendall(piece)
        time.sleep(pause)


def pipelined():
    with connect() as line:
        # Three requests in one segment.
        send(line, request(1, 3, 0, 4) + request(2, 4, 10, 2) + request(3, 1, 0, 8))
        answers(line, 3)
        # One and most of another, then its end and one more.
        first, second, third = request(4, 6, 7, 1234), request(5, 3, 7, 1), request(6, 2, 0, 16)
        send(line, first + second[:9], second[9:] + third)
        answers(line, 3)
        # One request in two segments, one in three.
        for whole in request(7, 5, 3, 0xFF00), request(8, 3, 20, 6):
            send(line, whole[:8], whole[8:10], whole[10:])
            answers(line, 1)
    # Two connections take turns with parts, and reuse the same transaction numbers.
    with connect() as one, connect() as two:
        left = request(1, 3, 0, 2) + request(2, 3, 2, 2)
        right = request(1, 4, 0, 2) + request(2, 4, 2, 2)
        for start, end in (0, 9), (9, 21), (21, 24):
            send(one, left[start:end])
            send(two, right[start:end])
        answers(one, 2)
        answers(two, 2)
    # Twenty requests outstanding at once on one connection.
    with connect() as line:
        send(line, *(request(100 + n, 3, n, 1) for n in range(20)), pause=0)
        answers(line, 20)


def octets():
    with connect() as line:
        whole = request(1, 3, 20, 6)
        send(line, *(whole[n:n + 1] for n in range(len(whole))))
        answers(line, 1)
        # The header alone, then the rest.
        whole = request(2, 5, 3, 0xFF00)
        send(line, whole[:7], whole[7:])
        answers(line, 1)
        # Half a header at the end of a segment.
        first, second = request(3, 6, 7, 1234), request(4, 3, 7, 1)
        send(line, first + second[:3], second[3:])
        answers(line, 2)


{"pipelined": pipelined, "octets": octets}[MANNER]()
