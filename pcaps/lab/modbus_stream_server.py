"""A Modbus TCP server (pyModbusTCP) that answers every request of a stream, however it was cut: pymodbus loses all but the
last of those that arrive together.
"""

from pyModbusTCP.server import DeviceIdentification, ModbusServer

ModbusServer("0.0.0.0", 502, device_id=DeviceIdentification(
    vendor_name=b"Phoenix Contact", product_code=b"2700973", major_minor_revision=b"2.40",
    product_name=b"ILC 131 ETH", model_name=b"ILC 131 ETH")).start()
