"""A Modbus client (pymodbus) that works off a list of steps, over TCP with an MBAP header unless told otherwise.

    modbus_client.py [--udp] [--framer=rtu|ascii] HOST[:PORT] STEP...

A step is NAME,UNIT[,NUMBER...]: `coils,1,0,8` reads eight coils of unit 1 from address 0. `pause,0.2` waits,
`repeat,3` repeats everything after it.
"""

import sys
import time

from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient, ModbusUdpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.file_message import FileRecord


class UserDefined(ModbusPDU):
    """Functions 65 to 72 are left to makers."""

    function_code = 65

    def encode(self):
        return b"\x01\x02"


class Unknown(UserDefined):
    function_code = 66


def identification(client, unit, code, number):
    """Follows "more follows" to the last page."""
    while True:
        answer = client.read_device_information(read_code=code, object_id=number, device_id=unit)
        if answer.isError() or answer.more_follows == 0 or answer.next_object_id <= number:
            return
        number = answer.next_object_id


def read_file(client, unit, file, records, size):
    """Reads the front of a file, `size` records a request."""
    for first in range(0, records, size):
        count = min(size, records - first)
        client.read_file_record([FileRecord(file, first, record_length=2 * count)], device_id=unit)


def write_file(client, unit, file, *words):
    """Writes records, four a request."""
    for first in range(0, len(words), 4):
        octets = b"".join(word.to_bytes(2, "big") for word in words[first:first + 4])
        client.write_file_record([FileRecord(file, first, octets)], device_id=unit)


COUNTERS = ("read_diagnostic_register", "read_bus_message_count", "read_bus_comm_error_count",
            "read_bus_exception_error_count", "read_device_message_count", "read_device_no_response_count",
            "read_device_nak_count", "read_device_busy_count", "read_bus_char_overrun_count", "get_comm_event_counter",
            "get_comm_event_log")


def diagnostics(client, unit):
    """Everything that can be asked without a change."""
    client.read_exception_status(device_id=unit)
    for counter in COUNTERS:
        getattr(client, f"diag_{counter}")(device_id=unit)


STEPS = {
    "coils": lambda c, unit, address, count: c.read_coils(address, count=count, device_id=unit),
    "inputs": lambda c, unit, address, count: c.read_discrete_inputs(address, count=count, device_id=unit),
    "holding": lambda c, unit, address, count: c.read_holding_registers(address, count=count, device_id=unit),
    "registers": lambda c, unit, address, count: c.read_input_registers(address, count=count, device_id=unit),
    "write_coil": lambda c, unit, address, value: c.write_coil(address, bool(value), device_id=unit),
    "write_register": lambda c, unit, address, value: c.write_register(address, value, device_id=unit),
    "write_coils": lambda c, unit, address, *values: c.write_coils(address, [bool(v) for v in values], device_id=unit),
    "write_registers": lambda c, unit, address, *values: c.write_registers(address, list(values), device_id=unit),
    "mask_write": lambda c, unit, address, keep, put: c.mask_write_register(
        address=address, and_mask=keep, or_mask=put, device_id=unit),
    "read_write": lambda c, unit, read, count, write, *values: c.readwrite_registers(
        read_address=read, read_count=count, write_address=write, values=list(values), device_id=unit),
    "echo": lambda c, unit, word: c.diag_query_data(msg=word.to_bytes(2, "big"), device_id=unit),
    "report": lambda c, unit: c.report_device_id(device_id=unit),
    "status": lambda c, unit: c.read_exception_status(device_id=unit),
    "event_counter": lambda c, unit: c.diag_get_comm_event_counter(device_id=unit),
    "event_log": lambda c, unit: c.diag_get_comm_event_log(device_id=unit),
    "to_all": lambda c, address, value: c.write_register(address, value, device_id=0, no_response_expected=True),
    "identification": identification,
    "diagnostics": diagnostics,
    "restart": lambda c, unit, clear: c.diag_restart_communication(bool(clear), device_id=unit),
    # The letter is the upper octet of the data; pymodbus leaves that to its caller.
    "delimiter": lambda c, unit, letter: c.diag_change_ascii_input_delimeter(delimiter=letter << 8, device_id=unit),
    "clear_counters": lambda c, unit: c.diag_clear_counters(device_id=unit),
    "clear_overruns": lambda c, unit: c.diag_clear_overrun_counter(device_id=unit),
    "listen_only": lambda c, unit: c.diag_force_listen_only(device_id=unit, no_response_expected=True),
    "read_file": read_file,
    "write_file": write_file,
    "queue": lambda c, unit, address: c.read_fifo_queue(address=address, device_id=unit),
    "user_defined": lambda c, unit: c.execute(False, UserDefined(dev_id=unit)),
    "unknown_function": lambda c, unit: c.execute(False, Unknown(dev_id=unit)),
}


def work(client, steps):
    for position, step in enumerate(steps):
        name, *numbers = step.split(",")
        if name == "repeat":
            for _ in range(int(numbers[0])):
                work(client, steps[position + 1:])
            return
        if name == "pause":
            time.sleep(float(numbers[0]))
            continue
        try:
            client.connect()
            STEPS[name](client, *map(int, numbers))
        except ModbusException as problem:
            print(f"{step}: {problem}", file=sys.stderr)


options = [argument for argument in sys.argv[1:] if argument.startswith("--")]
target, *plan = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
framers = [option.partition("=")[2] for option in options if option.startswith("--framer=")]
host, _, port = target.partition(":")
connect = ModbusUdpClient if "--udp" in options else ModbusTcpClient
with connect(host, port=int(port or 502), framer=FramerType(*framers or ["socket"]), timeout=1, retries=0) as client:
    work(client, plan)
