"""TLS servers, one a port: tls_server.py JSON

JSON is {"folder": where certificates are kept, "ports": {port: {"version", "certificate", "alpn", "clients"}}}. A certificate
is one of CERTIFICATES below; "clients" asks for one of the client too. Each answers one line with the same line.
"""

import datetime
import json
import ssl
import socket
import subprocess
import sys
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2,
            "1.3": ssl.TLSVersion.TLSv1_3}


def name(common, organization="Plant of the lab"):
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
                      x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                      x509.NameAttribute(NameOID.COMMON_NAME, common)])


def make(common, key, begins, ends, issuer=None, issuer_key=None, names=(), authority=False):
    """A certificate from so many days after today until so many."""
    today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    builder = x509.CertificateBuilder().subject_name(name(common)).issuer_name(issuer or name(common))
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(today + begins * DAY).not_valid_after(today + ends * DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def signed_by_sha1(folder, certificate, key, issuer, issuer_key):
    """The same names signed in a way that this library refuses, and openssl does not."""
    request = x509.CertificateSigningRequestBuilder().subject_name(certificate.subject).sign(key, hashes.SHA256())
    for file, content in [("request", request.public_bytes(serialization.Encoding.PEM)), ("key", pem(issuer_key)),
                          ("issuer", issuer.public_bytes(serialization.Encoding.PEM))]:
        (folder / file).write_bytes(content)
    sign = ["openssl", "x509", "-req", "-sha1", "-days", "330", "-in", "request", "-CA", "issuer", "-CAkey", "key"]
    signed = subprocess.run(sign, cwd=folder, check=True, capture_output=True).stdout
    return x509.load_pem_x509_certificate(signed)


def write(folder, certificates):
    """Each certificate with its key and those above it in one file, as servers take it."""
    root_key, sub_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())
    root = make("Lab root", root_key, -400, 3000, authority=True)
    sub = make("Lab devices", sub_key, -300, 1500, root.subject, root_key, authority=True)
    for kind in certificates:
        rsa_key = rsa.generate_private_key(65537, 1024 if kind == "weak_key" else 2048)
        key = ec.generate_private_key(ec.SECP256R1()) if kind in ("good", "client") else rsa_key
        names = [x509.DNSName(f"{kind.replace('_', '-')}.lab"), x509.DNSName("device.lab")]
        begins, ends = {"expired": (-400, -35), "expiring": (-340, 20), "long_lived": (-100, 3550)}.get(kind, (-30, 330))
        issuer, signer, above = sub.subject, sub_key, [sub, root] if kind in ("good", "client") else []
        if kind == "self_signed":
            issuer, signer, above = None, None, []
        own = make(f"{kind.replace('_', ' ')} device", key, begins, ends, issuer, signer, names)
        if kind == "weak_signature":
            own = signed_by_sha1(folder, own, key, sub, sub_key)
        secret = pem(key)
        chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in [own, *above])
        (folder / f"{kind}.pem").write_bytes(secret + chain)
    (folder / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))


def serve(port, settings, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(settings.get("ciphers", "DEFAULT") + ":@SECLEVEL=0")
    if version := settings.get("version"):
        context.minimum_version = context.maximum_version = VERSIONS[version]
    context.load_cert_chain(folder / f"{settings['certificate']}.pem")
    context.set_alpn_protocols(settings.get("alpn", []))
    if settings.get("clients"):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "root.pem")
    listener = socket.create_server(("", int(port)))
    while True:
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as stream:
                stream.sendall(stream.recv(4096))
                stream.unwrap()
        except (ssl.SSLError, OSError):
            connection.close()


settings = json.loads(sys.argv[1])
folder = Path(settings["folder"])
write(folder, {port["certificate"] for port in settings["ports"].values()} | {"client"})
threads = [threading.Thread(target=serve, args=(port, of, folder)) for port, of in settings["ports"].items()]
for thread in threads:
    thread.start()
