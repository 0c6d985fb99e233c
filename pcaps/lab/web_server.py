"""A controller's web interface on Python's http.server: chunked bodies, a login that answers 401, validation by ETag.

    web_server.py PORT
"""

import base64
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOGIN = "Basic " + base64.b64encode(b"operator:lab-secret-1").decode()


class Interface(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "LabController/2.1"
    sys_version = ""

    def do_GET(self):
        if self.path == "/values":
            self.chunks([b"{\"pressure\": 4.2,", b" \"flow\": 17.5,", b" \"pump\": \"on\"}\n"])
        elif self.path == "/empty":
            self.send_response(204)
            self.end_headers()
        elif self.headers.get("If-None-Match") == '"7"':
            self.send_response(304)
            self.end_headers()
        else:
            self.page(200, b"<html><title>Lab controller</title></html>\n")

    def do_HEAD(self):
        self.page(200, b"<html><title>Lab controller</title></html>\n")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != LOGIN:
            self.page(401, b"login first\n", ("WWW-Authenticate", 'Basic realm="Lab controller"'))
        else:
            self.page(201, b"stored\n")

    def page(self, status, body, *headers):
        self.send_response(status)
        self.send_header("ETag", '"7"')
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunks(self, parts):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in [*parts, b""]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Interface).serve_forever()
