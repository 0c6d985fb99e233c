"""Files for pymodbus' server, which answers each request for records with the same dummy: units hold files here."""

from pymodbus.constants import ExcCodes
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.file_message import (
    FileRecord, ReadFileRecordRequest, ReadFileRecordResponse, WriteFileRecordRequest, WriteFileRecordResponse)

FILES = {}  # by unit and number


class ReadFile(ReadFileRecordRequest):
    async def datastore_update(self, context, device_id):
        answers = []
        for record in self.records:
            content = FILES.get((device_id, record.file_number))
            # pymodbus takes the length of a request to read for octets, and halves it.
            start = 2 * record.record_number
            end = start + 4 * record.record_length
            if content is None or end > len(content):
                return ExceptionResponse(self.function_code, ExcCodes.ILLEGAL_ADDRESS)
            answers.append(FileRecord(record_data=bytes(content[start:end])))
        return ReadFileRecordResponse(answers, dev_id=device_id, transaction_id=self.transaction_id)


class WriteFile(WriteFileRecordRequest):
    async def datastore_update(self, context, device_id):
        for record in self.records:
            content = FILES.setdefault((device_id, record.file_number), bytearray())
            start, end = (2 * number for number in (record.record_number, record.record_number + record.record_length))
            content.extend(bytes(max(0, end - len(content))))
            content[start:end] = record.record_data
        return WriteFileRecordResponse(self.records, dev_id=device_id, transaction_id=self.transaction_id)


def serve(files):
    """`files` maps a unit to texts by the file's number."""
    for unit, texts in files.items():
        for number, text in texts.items():
            FILES[int(unit), int(number)] = bytearray(text.encode())
    DecodePDU.add_pdu(ReadFile, ReadFileRecordResponse)
    DecodePDU.add_pdu(WriteFile, WriteFileRecordResponse)
