"""An FTP server with users of its own: `ADDRESS CERTIFICATE USER:PASSWORD...`; with a certificate it takes AUTH TLS."""

import logging
import sys
import tempfile

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

address, certificate, *users = sys.argv[1:]
logging.basicConfig(level=logging.ERROR)
folder = tempfile.mkdtemp()
authorizer = DummyAuthorizer()
for user in users:
    name, _, password = user.partition(":")
    authorizer.add_user(name, password, folder, perm="elradfmwMT")
handler = FTPHandler
if certificate:
    handler = TLS_FTPHandler
    handler.certfile = certificate
handler.authorizer = authorizer
handler.auth_failed_timeout = 0
FTPServer((address, 21), handler).serve_forever()
