"""A mail server that wants a login: `ADDRESS CERTIFICATE USER:PASSWORD...`."""

import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult

address, certificate, *users = sys.argv[1:]


def knows(_server, _session, _envelope, _mechanism, data):
    return AuthResult(success=f"{data.login.decode()}:{data.password.decode()}" in users, handled=False)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate)
context.maximum_version = ssl.TLSVersion.TLSv1_2  # certificates are readable up to there
Controller(Sink(), hostname=address, port=25, server_hostname="mail.lab", authenticator=knows, auth_require_tls=False,
           auth_required=True, tls_context=context).start()
time.sleep(3600)
