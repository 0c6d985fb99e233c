"""TFTP, both sides: `serve ADDRESS` or `ask ADDRESS`, which fetches a file, writes one and asks for one that is not there."""

import sys
import tempfile
from pathlib import Path

import tftpy

what, address = sys.argv[1:]
folder = Path(tempfile.mkdtemp())
config = folder / "switch-3.cfg"
config.write_bytes(b"hostname switch-3\n" * 50)
if what == "serve":
    tftpy.TftpServer(str(folder)).listen(address, 69)
client = tftpy.TftpClient(address, 69)
client.download("switch-3.cfg", str(folder / "copy"))
client.upload("switch-4.cfg", str(config))
try:
    client.download("switch-9.cfg", str(folder / "none"))
except tftpy.TftpException:
    pass
