"""A camera that speaks ONVIF: http.server, with answers rendered from the WSDLs of onvif-zeep.

    onvif_camera.py JSON

`login` is how one logs in: "wsse", "digest" (of HTTP), or "none". What needs no login by the standard needs none here.
"""

import base64
import gzip
import hashlib
import json
import sys
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import parse_http_list, parse_keqv_list

import wsdl_folder
import zeep
from lxml import etree

SOAP = "http://www.w3.org/2003/05/soap-envelope"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
ERROR = "http://www.onvif.org/ver10/error"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
OPEN = {"GetWsdlUrl", "GetServices", "GetServiceCapabilities", "GetCapabilities", "GetHostname", "GetSystemDateAndTime",
        "GetEndpointReference"}

CONFIG = json.loads(sys.argv[1])
SERVICES = {DEVICE: zeep.Client(f"{wsdl_folder.PATH}/devicemgmt.wsdl"), MEDIA: zeep.Client(f"{wsdl_folder.PATH}/media.wsdl")}
NONCE = "8a6f3c1d5e7b9024"


def now():
    return datetime.now(timezone.utc) + timedelta(seconds=CONFIG.get("clock_ahead", 0))


def clock():
    time = now()
    return {"SystemDateAndTime": {
        "DateTimeType": "NTP", "DaylightSavings": False, "TimeZone": {"TZ": "UTC0"},
        "UTCDateTime": {"Time": {"Hour": time.hour, "Minute": time.minute, "Second": time.second},
                        "Date": {"Year": time.year, "Month": time.month, "Day": time.day}}}}


def interfaces():
    config = {"Manual": [{"Address": CONFIG["ip"], "PrefixLength": 24}], "DHCP": False}
    return {"NetworkInterfaces": [{
        "token": "eth0", "Enabled": True, "Info": {"Name": "eth0", "HwAddress": CONFIG["mac"], "MTU": 1500},
        "IPv4": {"Enabled": True, "Config": config}}]}


def scopes():
    return {"Scopes": [{"ScopeDef": "Fixed", "ScopeItem": f"onvif://www.onvif.org/{scope}"} for scope in CONFIG["scopes"]]}


def users():
    return {"User": [{"Username": name, "UserLevel": level} for name, (_, level) in CONFIG["users"].items()]}


def services():
    here = f"http://{CONFIG['ip']}:{CONFIG['port']}/onvif"
    return {"Service": [
        {"Namespace": DEVICE, "XAddr": f"{here}/device_service", "Version": {"Major": 2, "Minor": 60}},
        {"Namespace": MEDIA, "XAddr": f"{here}/media_service", "Version": {"Major": 2, "Minor": 60}}]}


def stream():
    return {"MediaUri": {"Uri": CONFIG["stream"], "InvalidAfterConnect": False, "InvalidAfterReboot": False, "Timeout": "PT0S"}}


ANSWERS = {
    "GetDeviceInformation": lambda: {name: CONFIG[name] for name in
                                     ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber", "HardwareId")},
    "GetSystemDateAndTime": clock,
    "GetHostname": lambda: {"HostnameInformation": {"FromDHCP": False, "Name": CONFIG["hostname"]}},
    "GetEndpointReference": lambda: {"GUID": f"urn:uuid:{CONFIG['uuid']}"},
    "GetServices": services,
    "GetCapabilities": lambda: {"Capabilities": {
        "Device": {"XAddr": f"http://{CONFIG['ip']}:{CONFIG['port']}/onvif/device_service"},
        "Media": {"XAddr": f"http://{CONFIG['ip']}:{CONFIG['port']}/onvif/media_service",
                  "StreamingCapabilities": {}}}},
    "GetScopes": scopes,
    "GetNetworkInterfaces": interfaces,
    "GetNetworkProtocols": lambda: {"NetworkProtocols": [
        {"Name": "HTTP", "Enabled": True, "Port": [80]}, {"Name": "HTTPS", "Enabled": False, "Port": [443]},
        {"Name": "RTSP", "Enabled": True, "Port": [554]}]},
    "GetUsers": users,
    "GetProfiles": lambda: {"Profiles": [{"token": "main", "Name": "main", "fixed": True}]},
    "GetStreamUri": stream,
    "GetSnapshotUri": stream,
    "SystemReboot": lambda: {"Message": "Rebooting in 30 seconds"},
    "SetSystemFactoryDefault": dict,
    "StartFirmwareUpgrade": lambda: {"UploadUri": f"http://{CONFIG['ip']}:{CONFIG['port']}/upload/firmware",
                                     "UploadDelay": "PT1S", "ExpectedDownTime": "PT60S"},
    "UpgradeSystemFirmware": lambda: {"Message": "Rebooting"},
    "SetNetworkInterfaces": lambda: {"RebootNeeded": False},
}


def envelope(content):
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"SOAP-ENV": SOAP, "ter": ERROR})
    etree.SubElement(root, f"{{{SOAP}}}Body").append(content)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def fault(code, text):
    root = etree.Element(f"{{{SOAP}}}Fault", nsmap={"SOAP-ENV": SOAP, "ter": ERROR})
    codes = etree.SubElement(root, f"{{{SOAP}}}Code")
    etree.SubElement(codes, f"{{{SOAP}}}Value").text = "SOAP-ENV:Sender"
    etree.SubElement(etree.SubElement(codes, f"{{{SOAP}}}Subcode"), f"{{{SOAP}}}Value").text = f"ter:{code}"
    reason = etree.SubElement(etree.SubElement(root, f"{{{SOAP}}}Reason"), f"{{{SOAP}}}Text")
    reason.text = text
    reason.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    return root


def answer(call):
    name = etree.QName(call)
    client = SERVICES.get(name.namespace)
    try:
        element = client.get_element(f"{{{name.namespace}}}{name.localname}Response")
    except (AttributeError, LookupError):
        return fault("ActionNotSupported", "Optional Action Not Implemented")
    into = etree.Element("answer")
    element.render(into, element(**ANSWERS.get(name.localname, dict)()))
    return into[0]


def knows_token(root):
    """WS-Security, UsernameToken profile 1.1: Digest = Base64(SHA-1(nonce + created + password))."""
    token = root.find(f".//{{{SECURITY}}}UsernameToken")
    if token is None:
        return False
    text = {etree.QName(child).localname: child.text or "" for child in token}
    password = token.find(f"{{{SECURITY}}}Password")
    known = CONFIG["users"].get(text["Username"])
    if known is None or password is None:
        return False
    if password.get("Type", "").endswith("#PasswordDigest"):
        mix = base64.b64decode(text["Nonce"]) + text["Created"].encode() + known[0].encode()
        return base64.b64encode(hashlib.sha1(mix).digest()).decode() == password.text
    return password.text == known[0]


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


class Camera(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = CONFIG.get("server", "gSOAP/2.8")
    sys_version = ""

    def knows_digest(self):
        value = self.headers.get("Authorization", "")
        if not value.startswith("Digest "):
            return False
        told = parse_keqv_list(parse_http_list(value.removeprefix("Digest ")))
        known = CONFIG["users"].get(told["username"])
        if known is None:
            return False
        first = md5(f"{told['username']}:{told['realm']}:{known[0]}")
        second = md5(f"{self.command}:{told['uri']}")
        return told["response"] == md5(f"{first}:{NONCE}:{told['nc']}:{told['cnonce']}:{told['qop']}:{second}")

    def may_call(self, root, name):
        login = CONFIG["login"]
        return name in OPEN or login == "none" or (self.knows_digest() if login == "digest" else knows_token(root))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/upload/"):
            return self.send(200, b"", "text/plain")
        kind = self.headers.get_content_type()
        if kind == "multipart/related":
            boundary = b"--" + self.headers.get_param("boundary").encode()
            body = body.split(boundary)[1].split(b"\r\n\r\n", 1)[1]
        root = etree.fromstring(body.strip())
        call = root.find(f"{{{SOAP}}}Body")[0]
        if self.may_call(root, etree.QName(call).localname):
            content = answer(call)
            status = 400 if etree.QName(content).localname == "Fault" else 200
            return self.send(status, envelope(content), "application/soap+xml; charset=utf-8")
        if CONFIG["login"] == "digest":
            return self.send(401, b"", "text/plain",
                             {"WWW-Authenticate": f'Digest realm="{CONFIG["realm"]}", qop="auth", nonce="{NONCE}"'})
        return self.send(400, envelope(fault("NotAuthorized", "Sender not Authorized")), "application/soap+xml; charset=utf-8")

    def do_GET(self):
        page = CONFIG.get("pages", {}).get(self.path)
        if page is None:
            return self.send(404, b"", "text/plain")
        return self.send(200, page[1].encode(), page[0])

    def send(self, status, body, kind, headers=None):
        headers = headers or {}
        if body and "gzip" in self.headers.get("Accept-Encoding", "") and CONFIG.get("gzip"):
            body = gzip.compress(body)
            headers = headers | {"Content-Encoding": "gzip"}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("0.0.0.0", CONFIG["port"]), Camera).serve_forever()
