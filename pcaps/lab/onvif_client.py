"""A program that looks after cameras: onvif-zeep and zeep, with WS-Security or with HTTP Digest. Says what it sent.

    onvif_client.py TALLY JSON

TALLY is a table to which it adds what it sent and what came back, as `count` does for other protocols: tshark knows SOAP
as XML alone. JSON lists sessions: {"host", "port", "user", "password", "login", "calls": [[service, operation, {...}]]}.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import requests
import wsdl_folder
import zeep
from lxml import etree
from requests.auth import HTTPDigestAuth
from zeep.transports import Transport
from zeep.wsse.username import UsernameToken

TALLY, SESSIONS = Path(sys.argv[1]), json.loads(sys.argv[2])
SERVICES = {"device": ("devicemgmt", "http://www.onvif.org/ver10/device/wsdl", "DeviceBinding", "device_service"),
            "media": ("media", "http://www.onvif.org/ver10/media/wsdl", "MediaBinding", "media_service")}
NAMES = [row.split("\t")[:2] for row in (Path(__file__).parents[2] / "dissectors/data/onvif_operations.tsv").read_text()
         .splitlines()[1:]]
counts = Counter()


def name_of(call):
    """An operation as rows name it: with its service where several have one of this name."""
    service = next(name for name, (_, space, *_) in SERVICES.items() if space == etree.QName(call).namespace)
    name = etree.QName(call).localname
    return f"{service}.{name}" if [service, f"{service}.{name}"] in NAMES else name


def body_of(envelope):
    root = etree.fromstring(envelope)
    return root.find(f"{{{etree.QName(root).namespace}}}Body")[0]


def count(sent, answer):
    name = name_of(body_of(sent))
    counts[name, "request", "messages"] += 1
    if b"Envelope" in answer.content:
        is_fault = etree.QName(body_of(answer.content)).localname == "Fault"
        counts[name, "response", "messages"] += 1
        counts[name, "response", "exceptions"] += is_fault


def octets(value):
    """JSON has no octets: what stands under `Data` is some."""
    if isinstance(value, list):
        return [octets(one) for one in value]
    if isinstance(value, dict):
        return {name: one.encode() if name == "Data" else octets(one) for name, one in value.items()}
    return value


class Counting(requests.Session):
    """Counts what goes over the wire, the first half of a digest's exchange too."""

    def send(self, request, **options):
        body = request.body
        response = super().send(request, **options)
        is_soap = body and b"Envelope" in (body if isinstance(body, bytes) else body.encode())
        if is_soap and request.headers.get("Content-Type", "").startswith("application/soap+xml"):
            for answer in [*response.history, response]:
                count(body, answer)
        return response


def client_of(session, service):
    file, space, binding, path = SERVICES[service]
    connection = Counting()
    connection.headers["User-Agent"] = "Lab VMS 4.2"
    token = None
    if session["login"] == "digest":
        connection.auth = HTTPDigestAuth(session["user"], session["password"])
    elif session["login"] in ("wsse_digest", "wsse_text"):
        token = UsernameToken(session["user"], session["password"], use_digest=session["login"] == "wsse_digest")
    client = zeep.Client(f"{wsdl_folder.PATH}/{file}.wsdl", wsse=token, transport=Transport(session=connection))
    return client.create_service(f"{{{space}}}{binding}", f"http://{session['host']}:{session['port']}/onvif/{path}")


for session in SESSIONS:
    clients = {}
    for service, operation, arguments in session["calls"]:
        if service == "http":
            requests.post(f"http://{session['host']}:{session['port']}{operation}", data=bytes(range(256)) * arguments["blocks"],
                          headers={"Content-Type": "application/octet-stream"})
            continue
        if service not in clients:
            clients[service] = client_of(session, service)
        try:
            getattr(clients[service], operation)(**octets(arguments))
        except (zeep.exceptions.Error, requests.RequestException) as error:
            print(f"{operation}: {type(error).__name__}")

with open(TALLY, "a", encoding="ascii") as table:
    if table.tell() == 0:
        table.write("protocol\toperation\tdirection\tmessages\texceptions\n")
    for name, direction in sorted({key[:2] for key in counts}):
        messages, exceptions = (counts[name, direction, what] for what in ("messages", "exceptions"))
        table.write(f"onvif\t{name}\t{direction}\t{messages}\t{exceptions}\n")
