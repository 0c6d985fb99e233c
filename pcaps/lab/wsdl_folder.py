"""Where onvif-zeep keeps the WSDLs of ONVIF: beside its package."""

from pathlib import Path

import onvif

PATH = Path(onvif.__file__).resolve().parent.parent / "wsdl"
