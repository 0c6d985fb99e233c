"""A TLS client: tls_client.py HOST FOLDER PORT[,OPTION=VALUE]...

Options: name (asked for), alpn, ciphers, version, with (a certificate of its own, from FOLDER), trust (only what FOLDER's root signed).
Each connection says one line, hears it again and closes.
"""

import socket
import ssl
import sys
from pathlib import Path

VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

host, folder = sys.argv[1], Path(sys.argv[2])
for wanted in sys.argv[3:]:
    port, *options = wanted.split(",")
    options = dict(option.split("=") for option in options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(options.get("ciphers", "DEFAULT") + ":@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    if "version" in options:
        context.minimum_version = context.maximum_version = VERSIONS[options["version"]]
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"].split("+"))
    if "with" in options:
        context.load_cert_chain(folder / f"{options['with']}.pem")
    if "trust" in options:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "root.pem")
    try:
        with socket.create_connection((host, int(port)), 5) as connection:
            with context.wrap_socket(connection, server_hostname=options.get("name")) as stream:
                stream.sendall(b"hello\n")
                stream.recv(64)
    except (ssl.SSLError, OSError) as error:
        print(f"{port}: {type(error).__name__}")
