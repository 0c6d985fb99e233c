"""Accepts TCP connections on a port, reads, and never says a word.

    listener.py PORT
"""

import socketserver
import sys


class Silent(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(4096):
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server(("0.0.0.0", int(sys.argv[1])), Silent).serve_forever()
