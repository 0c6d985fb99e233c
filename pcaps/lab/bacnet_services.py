"""What a controller answers beside reading and writing properties. bacpypes3 reads and writes these messages, but serves
none of them: the answers are given here, from a few files and objects in memory.
"""

from bacpypes3.apdu import (
    AtomicReadFileACK, AtomicWriteFileACK, ConfirmedPrivateTransferACK, CreateObjectACK, SimpleAckPDU,
    UnconfirmedRequestSequence, VTDataACK, VTOpenACK, WritePropertyMultipleError,
    register_unconfirmed_request_type)
from bacpypes3.basetypes import (
    AtomicReadFileACKAccessMethodChoice, AtomicReadFileACKAccessMethodRecordAccess,
    AtomicReadFileACKAccessMethodStreamAccess)
from bacpypes3.errors import ExecutionError
from bacpypes3.primitivedata import CharacterString, ObjectIdentifier, OctetString, Unsigned

PASSWORD_FAILURE = "security", "passwordFailure"


@register_unconfirmed_request_type
class WhoAmIRequest(UnconfirmedRequestSequence):
    """Clause 16.11, which bacpypes3 does not know yet."""

    service_choice = 13
    _order = ("vendorID", "modelName", "serialNumber")
    vendorID = Unsigned()
    modelName = CharacterString()
    serialNumber = CharacterString()


@register_unconfirmed_request_type
class YouAreRequest(UnconfirmedRequestSequence):
    """Clause 16.11."""

    service_choice = 14
    _order = ("vendorID", "modelName", "serialNumber", "deviceIdentifier", "deviceMACAddress")
    vendorID = Unsigned()
    modelName = CharacterString()
    serialNumber = CharacterString()
    deviceIdentifier = ObjectIdentifier(_optional=True)
    deviceMACAddress = OctetString(_optional=True)


class Services:
    """To be mixed into an application."""

    files = {1: b"".join(b"%04d;AHU-1;20.5;ok\r\n" % line for line in range(120)), 2: b""}
    records = {3: [b"2026-11-24 08:00 start", b"2026-11-24 08:05 alarm", b"2026-11-24 08:09 quiet"]}

    def guard(self, apdu):
        """Only whoever knows the password; a device without one lets everybody."""
        if self.device_object._dcc_password not in (None, apdu.password):
            raise ExecutionError(*PASSWORD_FAILURE)

    async def accept(self, apdu):
        await self.response(SimpleAckPDU(context=apdu))

    async def do_ReinitializeDeviceRequest(self, apdu):
        self.guard(apdu)
        await self.accept(apdu)

    async def do_AtomicReadFileRequest(self, apdu):
        number, method = apdu.fileIdentifier[1], apdu.accessMethod
        if method.streamAccess is not None:
            start, count = method.streamAccess.fileStartPosition, method.streamAccess.requestedOctetCount
            whole = self.content(self.files, number)
            access = {"streamAccess": AtomicReadFileACKAccessMethodStreamAccess(
                fileStartPosition=start, fileData=whole[start:start + count])}
        else:
            start, count = method.recordAccess.fileStartRecord, method.recordAccess.requestedRecordCount
            whole = self.content(self.records, number)
            some = whole[start:start + count]
            access = {"recordAccess": AtomicReadFileACKAccessMethodRecordAccess(
                fileStartRecord=start, returnedRecordCount=len(some), fileRecordData=some)}
        await self.response(AtomicReadFileACK(
            endOfFile=start + count >= len(whole), accessMethod=AtomicReadFileACKAccessMethodChoice(**access),
            context=apdu))

    async def do_AtomicWriteFileRequest(self, apdu):
        number, method = apdu.fileIdentifier[1], apdu.accessMethod
        whole = self.content(self.files, number)
        start = method.streamAccess.fileStartPosition
        start = len(whole) if start < 0 else start
        self.files[number] = whole[:start] + bytes(method.streamAccess.fileData)
        await self.response(AtomicWriteFileACK(fileStartPosition=start, context=apdu))

    @staticmethod
    def content(files, number):
        if number not in files:
            raise ExecutionError("object", "unknownObject")
        return files[number]

    async def do_WritePropertyMultipleRequest(self, apdu):
        try:
            await super().do_WritePropertyMultipleRequest(apdu)
        except WritePropertyMultipleError as refusal:  # which bacpypes3 raises, and does not send
            await self.response(WritePropertyMultipleError(
                errorType=refusal.errorType, firstFailedWriteAttempt=refusal.firstFailedWriteAttempt, context=apdu))

    async def do_ConfirmedPrivateTransferRequest(self, apdu):
        await self.response(ConfirmedPrivateTransferACK(
            vendorID=apdu.vendorID, serviceNumber=apdu.serviceNumber, context=apdu))

    async def do_CreateObjectRequest(self, apdu):
        await self.response(CreateObjectACK(objectIdentifier=("analog-value", 31), context=apdu))

    async def do_VTOpenRequest(self, apdu):
        await self.response(VTOpenACK(remoteVTSessionIdentifier=4, context=apdu))

    async def do_VTDataRequest(self, apdu):
        await self.response(VTDataACK(allNewDataAccepted=True, context=apdu))

    do_AcknowledgeAlarmRequest = do_AddListElementRequest = do_RemoveListElementRequest = accept
    do_ConfirmedTextMessageRequest = do_DeleteObjectRequest = do_LifeSafetyOperationRequest = do_VTCloseRequest = accept
    do_ConfirmedEventNotificationRequest = accept
