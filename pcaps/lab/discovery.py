"""WS-Discovery: `discovery.py publish ADDRESS UUID SECONDS SCOPE...` is found, `discovery.py search SECONDS` finds."""

import sys
import time
import uuid

from wsdiscovery import QName, Scope
from wsdiscovery.discovery import ThreadedWSDiscovery
from wsdiscovery.publishing import ThreadedWSPublishing

TYPES = [QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"),
         QName("http://www.onvif.org/ver10/device/wsdl", "Device")]

if sys.argv[1] == "publish":
    address, name, seconds, *scopes = sys.argv[2:]
    # The library makes a new reference each time; a device has one for ever.
    uuid.uuid4 = lambda: uuid.UUID(name)
    publishing = ThreadedWSPublishing()
    publishing.start()
    publishing.publishService(types=TYPES, scopes=[Scope(f"onvif://www.onvif.org/{scope}") for scope in scopes],
                              xAddrs=[f"http://{address}/onvif/device_service"])
    time.sleep(float(seconds))
    publishing.clearLocalServices()
    publishing.stop()
else:
    discovery = ThreadedWSDiscovery()
    discovery.start()
    found = discovery.searchServices(types=TYPES[:1], timeout=float(sys.argv[2]))
    print(f"{len(found)} found")
    discovery.stop()
