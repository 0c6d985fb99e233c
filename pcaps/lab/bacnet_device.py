"""BACnet/IP devices (bacpypes3): one, or a router with others on a virtual network behind it.

    bacnet_device.py '{"address": "10.20.0.110/24:47808", "device": {"instance": 1, "object-name": ..., ...},
                       "values": 5, "network": 1, "behind": {"network": 200, "devices": {"1": {...}}}}'

`bbmd` lists the broadcast management devices that it passes broadcasts on to, itself among them.
`behind` maps the MAC address on the virtual network (a number) to a device. `password` guards communication control and
restart. `restarted` in a device is why, on which date and at what time it started, `uuid` its identifier in hex.
"""

import asyncio
import json
import sys

from bacnet_services import Services
from bacpypes3.app import Application
from bacpypes3.basetypes import BDTEntry, DateTime, EngineeringUnits, IPMode, TimeStamp
from bacpypes3.errors import ExecutionError
from bacpypes3.local.analog import AnalogInputObject, AnalogValueObjectCmd
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.primitivedata import Date, Time
from bacpypes3.service.device import DeviceCommunicationControlServices
from bacpypes3.vlan import VirtualNetwork

CONFIG = json.loads(sys.argv[1])
PROPERTIES = {
    "object-name": "objectName", "vendor-name": "vendorName", "vendor-identifier": "vendorIdentifier",
    "model-name": "modelName", "firmware-revision": "firmwareRevision",
    "application-software-version": "applicationSoftwareVersion", "description": "description", "location": "location",
    "serial-number": "serialNumber", "protocol-revision": "protocolRevision",
}


class Device(Services, Application, DeviceCommunicationControlServices):
    """An application that can be restarted and silenced, too, and holds files."""


def device_object(config):
    known = {PROPERTIES[name]: value for name, value in config.items() if name in PROPERTIES}
    if "restarted" in config:
        reason, date, time = config["restarted"]
        known |= {"lastRestartReason": reason, "timeOfDeviceRestart": TimeStamp(
            dateTime=DateTime(date=Date(date), time=Time(time)))}
    if "uuid" in config:
        known["deviceUUID"] = bytes.fromhex(config["uuid"])
    if "max-apdu" in config:
        known |= {"maxApduLengthAccepted": config["max-apdu"], "segmentationSupported": "segmented-both"}
    return DeviceObject(objectIdentifier=("device", config["instance"]), **known)


def build(config, port, values):
    device = device_object(config)
    points = [AnalogInputObject(objectIdentifier=("analog-input", 1), objectName="Supply air temperature",
                                presentValue=18.5, units=EngineeringUnits.degreesCelsius, covIncrement=0.5)]
    points += [AnalogValueObjectCmd(objectIdentifier=("analog-value", number), objectName=f"Setpoint {number}",
                                    presentValue=20.0 + number, units=EngineeringUnits.degreesCelsius, covIncrement=0.5)
               for number in range(1, values + 1)]
    application = Device.from_object_list([device, *port, *points])
    device._dcc_password = CONFIG.get("password")
    application.smap = application.asap
    return application


def virtual(instance, network, mac):
    return NetworkPortObject(
        objectIdentifier=("network-port", instance), objectName=f"Virtual port {instance}", networkType="virtual",
        protocolLevel="bacnet-application", networkNumber=network, networkNumberQuality="configured",
        macAddress=bytes([mac]), networkInterfaceName="field")


async def main():
    ports = [NetworkPortObject(CONFIG["address"], objectIdentifier=("network-port", 1), objectName="IP port",
                               networkNumber=CONFIG.get("network", 0))]
    if "bbmd" in CONFIG:
        ports[0].bacnetIPMode = IPMode.bbmd
        ports[0].bbmdAcceptFDRegistrations = True
        ports[0].bbmdForeignDeviceTable = []
        ports[0].bbmdBroadcastDistributionTable = [BDTEntry(peer) for peer in CONFIG["bbmd"]]
    behind = CONFIG.get("behind")
    if behind:
        VirtualNetwork("field")
        ports.append(virtual(2, behind["network"], 254))
    applications = [build(CONFIG["device"], ports, CONFIG.get("values", 3))]
    for mac, config in behind["devices"].items() if behind else ():
        applications.append(build(config, [virtual(1, behind["network"], int(mac))], 2))
    await asyncio.Event().wait()


asyncio.run(main())
