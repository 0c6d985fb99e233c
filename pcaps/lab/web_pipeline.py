"""Asks a web server several things at once on one connection, then one thing in two segments. No common client pipelines.

    web_pipeline.py HOST PORT PATH...
"""

import socket
import sys
import time

HOST, PORT, PATHS = sys.argv[1], int(sys.argv[2]), sys.argv[3:]


def request(path, close=False):
    end = "Connection: close\r\n" if close else ""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: lab\r\n{end}\r\n".encode()


with socket.create_connection((HOST, PORT), timeout=5) as connection:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"".join(map(request, PATHS)))
    time.sleep(0.3)
    last = request(PATHS[0], close=True)
    connection.sendall(last[:30])
    time.sleep(0.1)
    connection.sendall(last[30:])
    while connection.recv(4096):
        pass
