"""A BACnet/IP workstation (bacpypes3) that works off a list of steps.

    bacnet_client.py ADDRESS/BITS[:PORT][@BBMD] MAX_APDU[/INSTANCE] STEP...

`announce`, `who_is`, `who_is,LOW,HIGH`, `who_has,NAME`, `router,NETWORK`, `read,STATION,OBJECT,PROPERTY`, `identity,STATION,INSTANCE`
(every property that names a device), `multiple,STATION,INSTANCE`, `write,STATION,OBJECT,PROPERTY,VALUE,PRIORITY`,
`watch,STATION,OBJECT,WRITTEN`, `control,STATION,enable|disable-initiation,PASSWORD`, `restart,STATION,PASSWORD`,
`bulk,STATION,TIMES` (so many writes in one message), `routers`, `routes,STATION`, `number`, `tables,STATION`, `distribute,STATION,PEER...`,
`unregister,STATION,FOREIGN`, `pause,SECONDS`. With a BBMD it is a foreign device of that one for 30 s. OBJECT is TYPE:INSTANCE; STATION an IP address (with the port of this client) or NETWORK:MAC.
"""

import asyncio
import sys

from bacpypes3.apdu import (
    DeviceCommunicationControlRequest, ErrorRejectAbortNack, ReinitializeDeviceRequest, WritePropertyMultipleRequest)
from bacpypes3.app import Application
from bacpypes3.basetypes import HostNPort, IPMode, PropertyValue, WriteAccessSpecification
from bacpypes3.constructeddata import AnyAtomic
from bacpypes3.ipv4.bvll import (
    DeleteForeignDeviceTableEntry, ReadBroadcastDistributionTable, ReadForeignDeviceTable, WriteBroadcastDistributionTable)
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.pdu import Address, IPv4Address
from bacpypes3.primitivedata import Real

ADDRESS, _, BBMD = sys.argv[1].partition("@")
MAX_APDU, _, INSTANCE = sys.argv[2].partition("/")
STEPS = sys.argv[3:]
PORT = ADDRESS.partition(":")[2]
IDENTITY = [
    "object-identifier", "object-name", "object-type", "system-status", "vendor-name", "vendor-identifier", "model-name",
    "firmware-revision", "application-software-version", "protocol-version", "protocol-revision", "description", "location",
    "serial-number", "database-revision", "max-apdu-length-accepted", "segmentation-supported",
]


def station(text):
    return Address(f"{text}:{PORT}" if PORT and "." in text else text)


class Workstation:
    def __init__(self):
        device = DeviceObject(
            objectIdentifier=("device", int(INSTANCE or 4190001)), objectName="Lab workstation", vendorIdentifier=999,
            maxApduLengthAccepted=int(MAX_APDU), segmentationSupported="segmented-both")
        port = NetworkPortObject(ADDRESS, objectIdentifier=("network-port", 1), objectName="IP port")
        if BBMD:
            port.bacnetIPMode = IPMode.foreign
            port.fdBBMDAddress = HostNPort(BBMD)
            port.fdSubscriptionLifetime = 30
        self.app = Application.from_object_list([device, port])
        self.link = next(iter(self.app.link_layers.values()))

    async def announce(self):
        self.app.i_am()
        await asyncio.sleep(0.3)

    async def who_is(self, low=None, high=None):
        await self.app.who_is(*(None if limit is None else int(limit) for limit in (low, high)), timeout=1)

    async def who_has(self, name):
        await self.app.who_has(object_name=name, timeout=1)

    async def router(self, network):
        await asyncio.wait_for(self.app.nse.who_is_router_to_network(network=int(network)), 3)

    async def read(self, where, what, name):
        return await self.app.read_property(station(where), what, name)

    async def identity(self, where, instance):
        for name in IDENTITY:
            try:
                await self.read(where, f"device:{instance}", name)
            except ErrorRejectAbortNack:  # one of them has no serial number
                pass

    async def multiple(self, where, instance):
        await self.app.read_property_multiple(station(where), [
            f"device:{instance}", ["object-name", "vendor-name", "model-name", "firmware-revision", "serial-number",
                                   "local-time", "profile-name"],
            "analog-input:1", ["present-value", "units", "status-flags"],
            "analog-value:1", ["present-value", "priority-array"],
            "analog-value:99", ["present-value"]])

    async def write(self, where, what, name, value, priority):
        await self.app.write_property(station(where), what, name, float(value), priority=int(priority))

    async def watch(self, where, what, written):
        async with self.app.change_of_value(station(where), what, issue_confirmed_notifications=False, lifetime=60):
            await asyncio.sleep(0.2)
            await self.write(where, what, "present-value", written, 8)
            await asyncio.sleep(0.3)

    async def control(self, where, mode, password):
        await self.app.request(DeviceCommunicationControlRequest(
            enableDisable=mode, password=password, destination=station(where)))

    async def restart(self, where, password):
        await self.app.request(ReinitializeDeviceRequest(
            reinitializedStateOfDevice="warmstart", password=password, destination=station(where)))

    async def bulk(self, where, times):
        writes = [WriteAccessSpecification(
            objectIdentifier=("analog-value", 1 + number % 3),
            listOfProperties=[PropertyValue(propertyIdentifier="present-value", value=AnyAtomic(Real(20.0 + number)), priority=8)])
            for number in range(int(times))]
        await self.app.request(WritePropertyMultipleRequest(listOfWriteAccessSpecs=writes, destination=station(where)))

    async def routers(self):
        await asyncio.wait_for(self.app.nse.who_is_router_to_network(), 3)

    async def routes(self, where):
        await asyncio.wait_for(self.app.nse.initialize_routing_table(destination=station(where)), 3)

    async def number(self):
        await asyncio.wait_for(self.app.nse.what_is_network_number(), 3)

    async def manage(self, request):
        await self.link.request(request)
        await asyncio.sleep(0.3)

    async def tables(self, where):
        await self.manage(ReadBroadcastDistributionTable(destination=IPv4Address(where)))
        await self.manage(ReadForeignDeviceTable(destination=IPv4Address(where)))

    async def distribute(self, where, *peers):
        await self.manage(WriteBroadcastDistributionTable(
            [IPv4Address(peer) for peer in peers], destination=IPv4Address(where)))

    async def unregister(self, where, foreign):
        await self.manage(DeleteForeignDeviceTableEntry(IPv4Address(foreign), destination=IPv4Address(where)))

    async def pause(self, seconds):
        await asyncio.sleep(float(seconds))


async def main():
    workstation = Workstation()
    await asyncio.sleep(0.2)  # until the socket is bound
    for step in STEPS:
        name, *arguments = step.split(",")
        try:
            await getattr(workstation, name)(*arguments)
        except ErrorRejectAbortNack as refusal:  # not an Exception in bacpypes3
            print(f"{step}: {refusal}", file=sys.stderr)
        except TimeoutError:
            print(f"{step}: no answer", file=sys.stderr)


asyncio.run(main())
