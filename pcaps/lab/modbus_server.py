"""A Modbus server (pymodbus) with an identity per unit, over TCP with an MBAP header unless told otherwise.

    modbus_server.py '{"port": 502, "missing": "silent", "units": {"1": {"0": "Maker", "1": "Code", ...}}}'

`units` maps a unit id to its identification objects by number; `missing` tells what an absent unit gives: `exception`
(0x0B, as a gateway answers for a dead slave) or `silent`; `framer` may be `rtu` or `ascii`, `transport` may be `udp`.
`sunspec` maps a unit id to its SunSpec models, each a number and a list of texts (padded to the words given) and words;
`files` to texts by the file's number; `failing` to exceptions by the address of the request that gets one, each of
which counts as three checksum errors as well.
"""

import asyncio
import json
import logging
import sys

import modbus_files
from pymodbus import FramerType
from pymodbus.constants import DeviceInformation, ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.device import ModbusControlBlock
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.other_message import ReportDeviceIdRequest, ReportDeviceIdResponse
from pymodbus.server import ModbusTcpServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

CONFIG = json.loads(sys.argv[1])
UNITS = {int(unit): {int(number): text for number, text in objects.items()} for unit, objects in CONFIG["units"].items()}


def identity(unit):
    if unit not in UNITS:
        raise NoSuchIdException(f"no unit {unit}")
    return UNITS[unit]


class Identification(ReadDeviceInformationRequest):
    """pymodbus keeps one identity for the process; a gateway has one behind each unit."""

    async def datastore_update(self, context, device_id):
        objects = identity(device_id)
        if self.read_code == DeviceInformation.SPECIFIC:
            if self.object_id not in objects:
                return ExceptionResponse(self.function_code, ExcCodes.ILLEGAL_ADDRESS)
            chosen = {self.object_id: objects[self.object_id]}
        else:
            last = {DeviceInformation.BASIC: 2, DeviceInformation.REGULAR: 6}.get(self.read_code, 255)
            chosen = {number: text for number, text in objects.items() if self.object_id <= number <= last}
        return ReadDeviceInformationResponse(self.read_code, chosen, dev_id=device_id, transaction_id=self.transaction_id)


class ReportServerId(ReportDeviceIdRequest):
    async def datastore_update(self, context, device_id):
        objects = identity(device_id)
        text = " ".join(objects[number] for number in (0, 1, 2) if number in objects)
        return ReportDeviceIdResponse(text.encode(), dev_id=device_id, transaction_id=self.transaction_id)


class Refused(ModbusPDU):
    """Function 65 is refused as the standard asks; one that pymodbus cannot decode it refuses as function 0."""

    function_code = 65

    def decode(self, data):
        pass

    async def datastore_update(self, context, device_id):
        return ExceptionResponse(self.function_code, ExcCodes.ILLEGAL_FUNCTION)


def sunspec(models):
    """Registers of a SunSpec map: each model's number, its length, and what it holds."""
    octets = b"SunS"
    for number, content in models:
        values = b"".join(value[0].encode().ljust(2 * value[1], b"\0") if isinstance(value, list)
                          else value.to_bytes(2, "big") for value in content)
        octets += number.to_bytes(2, "big") + (len(values) // 2).to_bytes(2, "big") + values
    octets += b"\xff\xff\0\0"
    return [int.from_bytes(octets[at:at + 2], "big") for at in range(0, len(octets), 2)]


def device(unit):
    bits = [SimData(0, values=[False, True, True, False] * 16, datatype=DataType.BITS)]
    words = [SimData(0, values=[unit * 256 + n for n in range(100)], datatype=DataType.REGISTERS)]
    maps = CONFIG.get("sunspec", {})
    if models := maps.get(str(unit)):
        words = [*words, SimData(40000, values=sunspec(models), datatype=DataType.REGISTERS)]
    return SimDevice(unit, simdata=(bits, bits, words, words))


async def fail(code, work):
    """Works, and then fails all the same; its line is as bad as its memory."""
    await work
    ModbusControlBlock().Counter.BusCommunicationError += 3
    return ExcCodes(code)


async def main():
    logging.disable()  # it tells every refusal at length
    DecodePDU.add_sub_pdu(Identification, ReadDeviceInformationResponse)
    DecodePDU.add_pdu(ReportServerId, ReportDeviceIdResponse)
    DecodePDU.add_pdu(Refused, Refused)
    modbus_files.serve(CONFIG.get("files", {}))
    serve = ModbusUdpServer if CONFIG.get("transport") == "udp" else ModbusTcpServer
    server = serve(
        [device(unit) for unit in UNITS], address=("0.0.0.0", CONFIG.get("port", 502)),
        framer=FramerType(CONFIG.get("framer", "socket")), broadcast_enable="framer" in CONFIG,
        ignore_missing_devices=CONFIG.get("missing") == "silent")
    for name in ("async_getValues", "async_setValues"):
        def only_known(unit, *arguments, inner=getattr(server.context, name)):
            identity(unit)
            failing = CONFIG.get("failing", {}).get(str(unit), {})
            if (code := failing.get(str(arguments[1]))) is not None:
                return fail(code, inner(unit, *arguments))
            return inner(unit, *arguments)
        setattr(server.context, name, only_known)
    await server.serve_forever()


asyncio.run(main())
