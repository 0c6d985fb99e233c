"""An engineer's workstation (bacpypes3) that does to two controllers what there is to do.

    bacnet_engineer.py ADDRESS/BITS GUARDED OPEN PASSWORD STEP...

GUARDED wants the password for a restart, OPEN wants none; both are IP addresses. STEP is `look`, `write`, `save`, `talk` or
`command`.
"""

import asyncio
import sys

from bacnet_services import WhoAmIRequest, YouAreRequest
from bacpypes3.apdu import (
    AcknowledgeAlarmRequest, AddListElementRequest, AtomicReadFileRequest, AtomicWriteFileRequest,
    ConfirmedPrivateTransferRequest, ConfirmedTextMessageRequest, CreateObjectRequest, DeleteObjectRequest,
    DeviceCommunicationControlRequest, ErrorRejectAbortNack,
    IHaveRequest, LifeSafetyOperationRequest, ReadRangeRequest, ReinitializeDeviceRequest, RemoveListElementRequest,
    SubscribeCOVRequest, TimeSynchronizationRequest, UnconfirmedPrivateTransferRequest,
    UnconfirmedTextMessageRequest, UTCTimeSynchronizationRequest, VTCloseRequest, VTDataRequest, VTOpenRequest,
    WriteGroupRequest, WritePropertyMultipleRequest)
from bacpypes3.app import Application
from bacpypes3.basetypes import (
    AtomicReadFileRequestAccessMethodChoice, AtomicReadFileRequestAccessMethodChoiceRecordAccess,
    AtomicReadFileRequestAccessMethodChoiceStreamAccess, AtomicWriteFileRequestAccessMethodChoice,
    AtomicWriteFileRequestAccessMethodChoiceStreamAccess, ChannelValue, CreateObjectRequestObjectSpecifier, DateTime,
    Destination, GroupChannelValue, PropertyValue, Recipient, TimeStamp, WriteAccessSpecification)
from bacpypes3.constructeddata import Any
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.pdu import Address, LocalBroadcast
from bacpypes3.primitivedata import CharacterString, Date, ObjectIdentifier, Real, Time, Unsigned

OWN, GUARDED, OPEN, PASSWORD = sys.argv[1:5]
MOMENT = {"date": Date("2026-11-24"), "time": Time("22:30:05.25")}


class Engineer:
    def __init__(self):
        device = DeviceObject(
            objectIdentifier=("device", 4190002), objectName="Lab engineer", vendorIdentifier=999,
            maxApduLengthAccepted=1024, segmentationSupported="segmented-both")
        self.app = Application.from_object_list(
            [device, NetworkPortObject(OWN, objectIdentifier=("network-port", 1), objectName="IP port")])

    async def ask(self, request, station=GUARDED):
        request.pduDestination = Address(station)
        try:
            return await self.app.request(request)
        except ErrorRejectAbortNack as refusal:  # not an Exception in bacpypes3
            print(f"{type(request).__name__}: {type(refusal).__name__}", file=sys.stderr)

    def tell(self, request):
        request.pduDestination = LocalBroadcast()
        self.app.request(request)

    async def restart(self, state, password=None, station=GUARDED):
        await self.ask(ReinitializeDeviceRequest(reinitializedStateOfDevice=state, password=password), station)

    async def silence(self, mode, minutes=None, password=None, station=GUARDED):
        await self.ask(DeviceCommunicationControlRequest(
            enableDisable=mode, timeDuration=minutes, password=password), station)

    async def read_file(self, number, start, count):
        access = AtomicReadFileRequestAccessMethodChoiceStreamAccess(
            fileStartPosition=start, requestedOctetCount=count)
        await self.ask(AtomicReadFileRequest(
            fileIdentifier=("file", number), accessMethod=AtomicReadFileRequestAccessMethodChoice(streamAccess=access)))

    async def read_records(self, number, start, count):
        access = AtomicReadFileRequestAccessMethodChoiceRecordAccess(
            fileStartRecord=start, requestedRecordCount=count)
        await self.ask(AtomicReadFileRequest(
            fileIdentifier=("file", number), accessMethod=AtomicReadFileRequestAccessMethodChoice(recordAccess=access)))

    async def write_file(self, number, start, data):
        access = AtomicWriteFileRequestAccessMethodChoiceStreamAccess(fileStartPosition=start, fileData=data)
        await self.ask(AtomicWriteFileRequest(
            fileIdentifier=("file", number), accessMethod=AtomicWriteFileRequestAccessMethodChoice(streamAccess=access)))

    async def look(self):
        device = "device:240100"
        for wanted in ([device, ["all"]], ["network-port:1", ["all"]]):
            try:
                await self.app.read_property_multiple(Address(GUARDED), wanted)
            except ErrorRejectAbortNack as refusal:
                print(f"look: {refusal}", file=sys.stderr)
        for index in range(7):
            await self.app.read_property(Address(OPEN), "device:240200", "object-list", index)
        await self.ask(ReadRangeRequest(
            objectIdentifier=("device", 240100), propertyIdentifier="device-address-binding"))

    async def write(self):
        def writes(instance, *values):
            return WriteAccessSpecification(
                objectIdentifier=("analog-value", instance), listOfProperties=[
                    PropertyValue(propertyIdentifier=name, value=Any(value), priority=priority)
                    for name, value, priority in values])
        one = writes(1, ("present-value", Real(21.5), 8), ("cov-increment", Real(0.25), None))
        two = writes(2, ("present-value", Real(22.5), 8))
        missing = writes(3, ("vendor-name", CharacterString("none of its own"), None))
        await self.ask(WritePropertyMultipleRequest(listOfWriteAccessSpecs=[one, two]))
        await self.ask(WritePropertyMultipleRequest(listOfWriteAccessSpecs=[two, missing, one]))
        for value in 21.0, 21.5, 22.0:
            await self.app.write_property(Address(GUARDED), "analog-value:3", "present-value", value, priority=8)
        listed = {"objectIdentifier": ("notification-class", 3), "propertyIdentifier": "recipient-list",
                  "listOfElements": Any(Destination(
                      validDays=[1] * 7, fromTime=Time("00:00:00"), toTime=Time("23:59:59"),
                      recipient=Recipient(device=("device", 4190002)), processIdentifier=7,
                      issueConfirmedNotifications=True, transitions=[1, 1, 1]))}
        await self.ask(AddListElementRequest(**listed))
        await self.ask(RemoveListElementRequest(**listed))
        await self.ask(CreateObjectRequest(objectSpecifier=CreateObjectRequestObjectSpecifier(objectType="analog-value")))
        await self.ask(DeleteObjectRequest(objectIdentifier=("analog-value", 31)))
        await self.ask(LifeSafetyOperationRequest(
            requestingProcessIdentifier=1, requestingSource="desk 4", request="silence",
            objectIdentifier=("life-safety-zone", 2)))
        await self.ask(AcknowledgeAlarmRequest(
            acknowledgingProcessIdentifier=1, eventObjectIdentifier=("analog-input", 1),
            eventStateAcknowledged="high-limit", timeStamp=TimeStamp(dateTime=DateTime(**MOMENT)),
            acknowledgmentSource="desk 4", timeOfAcknowledgment=TimeStamp(dateTime=DateTime(**MOMENT))))

    async def save(self):
        await self.restart("start-backup", PASSWORD)
        for start in 0, 1000, 2000:
            await self.read_file(1, start, 1000)
        await self.read_records(3, 0, 2)
        await self.read_records(3, 2, 2)
        await self.read_file(9, 0, 1000)
        await self.restart("end-backup", PASSWORD)
        await self.restart("start-restore", "lab-wrong-0")
        await self.restart("start-restore", PASSWORD)
        await self.write_file(2, 0, b"setpoint=21.5\r\n" * 60)
        await self.write_file(2, 900, b"setpoint=22.5\r\n" * 20)
        await self.write_file(2, -1, b"end\r\n")
        await self.restart("end-restore", PASSWORD)
        await self.restart("activate-changes", PASSWORD)

    async def talk(self):
        line = {"textMessageSourceDevice": ("device", 4190002), "messagePriority": "normal"}
        await self.ask(ConfirmedTextMessageRequest(message="Filter of AHU-1 is due", **line))
        self.tell(UnconfirmedTextMessageRequest(message="Works at AHU-1 until noon", **line))
        await self.ask(ConfirmedPrivateTransferRequest(vendorID=8, serviceNumber=3))
        self.tell(UnconfirmedPrivateTransferRequest(vendorID=8, serviceNumber=4))
        session = await self.ask(VTOpenRequest(vtClass="default-terminal", localVTSessionIdentifier=1))
        if session:
            await self.ask(VTDataRequest(vtSessionIdentifier=4, vtNewData=b"login lab-secret-3\r\n", vtDataFlag=0))
            await self.ask(VTCloseRequest(listOfRemoteVTSessionIdentifiers=[Unsigned(4)]))
        self.tell(TimeSynchronizationRequest(time=DateTime(**MOMENT)))
        self.tell(UTCTimeSynchronizationRequest(time=DateTime(**MOMENT)))
        self.tell(WriteGroupRequest(groupNumber=23, writePriority=8, changeList=[
            GroupChannelValue(channel=268, value=ChannelValue(real=72.5))]))
        self.tell(WhoAmIRequest(vendorID=8, modelName="DSC-606E", serialNumber="DC-606-000042"))
        self.tell(YouAreRequest(vendorID=8, modelName="DSC-606E", serialNumber="DC-606-000042",
                                deviceIdentifier=ObjectIdentifier("device,240999")))
        self.tell(IHaveRequest(deviceIdentifier=("device", 4190002), objectIdentifier=("device", 4190002),
                               objectName="Lab engineer"))
        await self.ask(SubscribeCOVRequest(
            subscriberProcessIdentifier=7, monitoredObjectIdentifier=("analog-value", 3),
            issueConfirmedNotifications=True, lifetime=60))
        await self.app.write_property(Address(GUARDED), "analog-value:3", "present-value", 25.0, priority=8)
        await asyncio.sleep(0.3)

    async def command(self):
        await self.silence("disable-initiation", 5, "lab-wrong-0")
        await self.silence("disable-initiation", 5, PASSWORD)
        await self.silence("enable", None, PASSWORD)
        await self.restart("coldstart")
        await self.restart("warmstart", "")
        await self.restart("warmstart", PASSWORD)
        await self.silence("disable-initiation", 1, None, OPEN)
        await self.silence("enable", None, None, OPEN)
        await self.restart("coldstart", None, OPEN)


async def main():
    engineer = Engineer()
    await asyncio.sleep(0.2)  # until the socket is bound
    await engineer.app.who_is(timeout=1)
    for step in sys.argv[5:]:
        await getattr(engineer, step)()
        await asyncio.sleep(0.3)


asyncio.run(main())
