"""Logins of the web made by Python alone, each with what its password is: a capture, and a table of what must be found.

    logins.py DEFAULTS COMMON SEED COUNT CAPTURE TABLE

Basic is RFC 7617; Digest is RFC 7616 and the forms of RFC 2617 and RFC 2069 before it.
"""

import base64
import hashlib
import random
import string
import struct
import sys
from pathlib import Path

DEFAULTS, COMMON, SEED, COUNT, CAPTURE, TABLE = sys.argv[1:]
random.seed(int(SEED))

ALGORITHMS = {"MD5": ("md5", "digest_md5"), "SHA-256": ("sha256", "digest_sha256"),
              "SHA-512-256": ("sha512_256", "digest_sha512_256")}
rows = [line.split("\t")[:5] for line in Path(DEFAULTS).read_text(encoding="utf-8").splitlines()[1:]]
common = Path(COMMON).read_text(encoding="utf-8").splitlines()
by_user = {}
for username, password, vendor, *_ in rows:
    by_user.setdefault(username.lower(), {}).setdefault(password, set()).add(vendor)


def word(least, most, letters=string.ascii_letters + string.digits + "-_.!$/ ,;=@"):
    return "".join(random.choice(letters) for _ in range(random.randint(least, most))).strip() or "x"


def login():
    """User, password, what the password is, and the makers whose default it is."""
    kind = random.choice(["default", "default", "empty", "guessable", "common", "unknown"])
    known = [row for row in rows if row[0] and row[1] and "{" not in row[1] and ":" not in row[0]]
    if kind == "default":
        username, password, *_ = random.choice(known)
        return username, password, kind, by_user[username.lower()][password]
    if kind == "empty":
        username = random.choice(known)[0]
        return username, "", kind, by_user[username.lower()].get("", set())
    if kind == "unknown":
        username = random.choice(known)[0]
        return username, word(12, 20) + "qZ7", kind, set()
    username = "user" + word(6, 8, string.ascii_lowercase + "é")
    return username, username if kind == "guessable" else random.choice(common), "guessable", set()


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def digest(username, password, method, uri):
    """The value of the header, and the scheme as the tables name it."""
    name = random.choice(list(ALGORITHMS))
    function, scheme = ALGORITHMS[name]
    is_session, qop = random.random() < 0.3, random.choice([None, "auth", "auth-int"])
    realm, nonce = word(3, 24) + random.choice(['', ' "7"', "\\", ", qop=auth"]), word(16, 40)
    cnonce, count = word(8, 16), f"{random.randint(1, 4000):08x}"

    def hashed(*parts):
        return hashlib.new(function, b":".join(part.encode() for part in parts)).hexdigest()

    one = hashed(username, realm, password)
    if is_session:
        one = hashed(one, nonce, cnonce)
    two = hashed(method, uri, hashed("")) if qop == "auth-int" else hashed(method, uri)
    response = hashed(one, nonce, count, cnonce, qop, two) if qop else hashed(one, nonce, two)
    parts = [f"username={quoted(username)}", f"realm={quoted(realm)}", f"nonce={quoted(nonce)}", f"uri={quoted(uri)}",
             f'response="{response}"']
    if name != "MD5" or is_session or random.random() < 0.5:
        parts.append(f"algorithm={name}{'-sess' if is_session else ''}")
    if qop or is_session:
        parts += [f"qop={qop}"] * bool(qop) + [f"nc={count}"] * bool(qop) + [f"cnonce={quoted(cnonce)}"]
    random.shuffle(parts)
    return "Digest " + ", ".join(parts), scheme


def basic(username, password):
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode(), "basic"


def packet(source, destination, ports, sequence, acknowledged, payload):
    tcp = struct.pack("!HHIIBBHHH", *ports, sequence, acknowledged, 5 << 4, 0x18, 65535, 0, 0) + payload
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, destination.split(".")))
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + addresses + tcp


frames, table = [], ["address\tusername\tscheme\tstrength\tmakers"]
for number in range(int(COUNT)):
    username, password, kind, makers = login()
    server, port = f"10.7.{number // 250}.{number % 250 + 1}", 40000 + number
    method, uri = random.choice(["GET", "HEAD"]), "/" + word(0, 12, string.ascii_lowercase + "/?=&%")
    make = random.choice([basic, digest, digest])
    header, scheme = basic(username, password) if make is basic else digest(username, password, method, uri)
    asked = f"{method} {uri} HTTP/1.1\r\nHost: {server}\r\nAuthorization: {header}\r\n\r\n".encode()
    answered = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    frames.append(packet("10.7.9.9", server, (port, 80), 1000, 5000, asked))
    frames.append(packet(server, "10.7.9.9", (80, port), 5000, 1000 + len(asked), answered))
    strength = kind
    if kind == "unknown" and scheme == "basic":
        strength = "strong"
    table.append("\t".join([server, username, scheme, strength, "|".join(sorted(makers))]))

with open(CAPTURE, "wb") as capture:
    capture.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
    for number, frame in enumerate(frames):
        capture.write(struct.pack("<IIII", 1_790_000_000, number * 100, len(frame), len(frame)) + frame)
Path(TABLE).write_text("\n".join(table) + "\n", encoding="utf-8")
