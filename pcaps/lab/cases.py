"""Every capture: which hosts stand on the bridge, what runs on them, what is said."""

import json
from pathlib import Path

from lab import Lab

PCAPS = Path(__file__).resolve().parent.parent
CASES = {}


def case(name):
    """Registers what records pcaps/NAME; it yields or returns the paths it wrote."""
    def register(function):
        CASES[name] = function
        return function
    return register


def objects(maker, code, revision, url="", product="", model="", application="", **private):
    """Modbus identification objects by number; private ones as `x80="..."`."""
    basic = dict(enumerate((maker, code, revision, url, product, model, application)))
    return {n: text for n, text in basic.items() if text} | {int(n[1:], 16): text for n, text in private.items()}


def modbus_server(host, units, port=502, missing="exception"):
    host.serve("modbus_server.py", json.dumps({"port": port, "missing": missing, "units": units}))
    host.wait_for(port)


M340 = objects("Schneider Electric", "BMX P34 2020", "v2.70", "http://www.se.com", "Modicon M340", "BMX P34 2020",
               "Lab line 1", x80="Lab serial 21140012345", x81="Rack 0 slot 0. " * 8, x82="Commissioned in a lab. " * 6)
WAGO = objects("WAGO", "750-881", "01.09.22", "http://www.wago.com", "ETHERNET Fieldbus Controller", "750-881")


@case("modbus/polling")
def polling(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        plc = lab.host("plc", "00:80:f4:12:34:56", "10.20.0.10")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50")
        modbus_server(plc, {1: M340})
        with lab.capture(path):
            scada.python(
                "modbus_client.py", "10.20.0.10",
                "identification,1,1,0", "identification,1,2,0", "identification,1,3,0", "identification,1,4,5",
                "identification,1,4,9", "report,1", "echo,1,42330", "mask_write,1,4,242,37",
                "read_write,1,0,4,10,1,2", "holding,1,5000,10", "write_register,1,5000,1", "coils,1,900,8",
                "user_defined,1",
                "repeat,5", "coils,1,0,16", "inputs,1,0,12", "holding,1,0,20", "registers,1,10,8", "write_coil,1,3,1",
                "write_register,1,5,1500", "write_coils,1,8,1,0,1,1", "write_registers,1,20,10,20,30", "pause,0.5")
    return [path]


@case("modbus/unknown_function")
def unknown_function(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        plc = lab.host("plc", "00:30:de:40:10:30", "10.20.0.30")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        modbus_server(plc, {1: WAGO})
        with lab.capture(path):
            laptop.python("modbus_client.py", "10.20.0.30", "holding,1,0,2", "unknown_function,1", "holding,1,0,2")
    return [path]


@case("modbus/gateway")
def gateway(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        moxa = lab.host("moxa", "00:90:e8:4c:10:20", "10.20.0.20")
        advantech = lab.host("adv", "00:d0:c9:7a:10:21", "10.20.0.21")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50")
        panel = lab.host("panel", "00:0e:8c:9b:10:60", "10.20.0.60")
        modbus_server(moxa, {
            1: objects("Schneider Electric", "METSEPM5110", "v02.20", product="PowerLogic PM5110", model="PM5110"),
            2: objects("ABB", "ACS580-01", "AFPFB 1.04", product="ACS580", model="ACS580-01-12A7-4"),
            17: objects("Carlo Gavazzi", "EM24DINAV93XISX", "1.7"),
        })
        modbus_server(advantech, {3: objects("Siemens", "7KM2112-0BA00-3AA0", "V2.21", product="SENTRON PAC3200")},
                      missing="silent")
        with lab.capture(path):
            names = [f"identification,{unit},1,0" for unit in (1, 2, 9, 17)] + ["report,2", "report,9"]
            scada.python("modbus_client.py", "10.20.0.20", *names, "repeat,4", "holding,1,0,10", "registers,2,0,4",
                         "holding,9,0,2", "holding,17,4,6", "pause,0.2")
            panel.python("modbus_client.py", "10.20.0.20", "holding,2,0,4", "write_register,2,1,1200",
                         "write_registers,2,10,1,2", "write_coil,1,0,1", "write_register,9,1,5")
            scada.python("modbus_client.py", "10.20.0.21", "identification,3,1,0", "repeat,2", "holding,3,0,8",
                         "holding,4,0,8")
            panel.python("modbus_client.py", "10.20.0.21", "write_register,3,2,77", "write_register,4,2,77")
    return [path]


@case("modbus/mbpoll")
def mbpoll(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        plc = lab.host("plc", "00:30:de:40:10:30", "10.20.0.30")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        modbus_server(plc, {1: WAGO}, port=1502)
        with lab.capture(path):
            laptop.run("mbpoll", "-m", "tcp", "-p", "1502", "-a", "1", "-t", "4", "-r", "1", "-c", "10", "-1", "10.20.0.30")
            laptop.run("mbpoll", "-m", "tcp", "-p", "1502", "-a", "1", "-t", "4", "-r", "5", "10.20.0.30", "4711")
            laptop.run("mbpoll", "-m", "tcp", "-p", "1502", "-a", "1", "-t", "4", "-r", "1", "-c", "10", "-1", "10.20.0.30")
            laptop.run("mbpoll", "-m", "tcp", "-p", "1502", "-a", "1", "-t", "4", "-r", "900", "-1", "10.20.0.30", check=False)
    return [path]


def cut_requests(stem, *manner):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        plc = lab.host("plc", "00:a0:45:31:10:40", "10.20.0.40")
        gate = lab.host("gate", "00:90:e8:4c:10:80", "10.20.0.80")
        plc.serve("modbus_stream_server.py")
        plc.wait_for(502)
        with lab.capture(path):
            gate.python("modbus_client.py", "10.20.0.40", "identification,1,3,0")
            gate.python("modbus_segments.py", "10.20.0.40", 1, *manner)
    return [path]


@case("modbus/pipelined")
def pipelined(stem):
    return cut_requests(stem, "pipelined")


@case("modbus/octets")
def octets(stem):
    return cut_requests(stem, "octets")


@case("modbus/silent")
def silent(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        dead = lab.host("dead", "00:80:f4:12:34:99", "10.20.0.19")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50")
        dead.serve("listener.py", 502)
        dead.wait_for(502)
        with lab.capture(path):
            scada.python("modbus_client.py", "10.20.0.19", "repeat,4", "holding,1,0,10", "pause,0.2")
    return [path]
