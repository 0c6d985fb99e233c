"""Every capture: which hosts stand on the bridge, what runs on them, what is said."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from formats import tag, variants
from lab import HERE, Lab

PCAPS = HERE.parent
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


def modbus_server(host, units, port=502, missing="exception", **carrier):
    host.serve("modbus_server.py", json.dumps({"port": port, "missing": missing, "units": units} | carrier))
    host.wait_for(port, carrier.get("transport", "tcp"))


M340 = objects("Schneider Electric", "BMX P34 2020", "v2.70", "http://www.se.com", "Modicon M340", "BMX P34 2020",
               "Lab line 1", x80="Lab serial 21140012345", x81="Rack 0 slot 0. " * 8, x82="Commissioned in a lab. " * 6)
METERS = {
    1: objects("Schneider Electric", "METSEPM5110", "v02.20", product="PowerLogic PM5110", model="PM5110"),
    2: objects("ABB", "ACS580-01", "AFPFB 1.04", product="ACS580", model="ACS580-01-12A7-4"),
    17: objects("Carlo Gavazzi", "EM24DINAV93XISX", "1.7"),
}
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


PROGRAM = "".join(f"{10 * line} LD I{line} ST Q{line};" for line in range(24)).ljust(600)


@case("modbus/maintenance")
def maintenance(stem):
    """What an engineer asks of a controller: states, counters, logs, files; then restarts and silences its port."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        plc = lab.host("plc", "00:80:f4:12:34:57", "10.20.0.11")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        modbus_server(plc, {1: M340}, files={1: {4: PROGRAM}})
        with lab.capture(path):
            laptop.python(
                "modbus_client.py", "10.20.0.11", "diagnostics,1", "read_file,1,4,300,110", "read_file,1,9,4,4",
                "write_file,1,5,1,2,3,4,5,6,7,8,9,10", "queue,1,40", "mask_write,1,4,242,37", "read_write,1,0,4,10,1,2",
                "delimiter,1,59", "clear_overruns,1", "clear_counters,1", "restart,1,1", "diagnostics,1", "listen_only,1")
    return [path]


def common(maker, model, options, version, serial, address):
    """SunSpec's model 1."""
    texts = [maker, 16], [model, 16], [options, 8], [version, 8], [serial, 16]
    return 1, [*texts, address]


@case("modbus/sunspec")
def sunspec(stem):
    """A logger walks the maps of an inverter, of a meter behind it, and of a weather station, in pieces."""
    path = stem.with_suffix(".pcap")
    inverter = [common("SolarEdge", "SE25K-RW00IBNM4", "", "0004.0018.0518", "7E13C5A2", 1), (103, [0] * 50)]
    meter = [common("Carlo Gavazzi", "EM24DINAV93XISX", "Export", "1.7", "BN3830017002A", 2), (203, [0] * 105)]
    weather = [common("Lufft", "WS503-UMB", "", "2.1", "060.0711.0801.024", 1), (307, [0] * 11), (302, [0] * 5)]
    with Lab() as lab:
        solar = lab.host("solar", "84:d6:c5:21:10:41", "10.20.0.41")
        station = lab.host("station", "00:90:e8:4c:10:42", "10.20.0.42")
        logger = lab.host("logger", "00:14:22:aa:10:51", "10.20.0.51")
        modbus_server(solar, {1: {}, 2: {}}, sunspec={1: inverter, 2: meter})
        modbus_server(station, {1: {}}, sunspec={1: weather})
        with lab.capture(path):
            logger.python("modbus_client.py", "10.20.0.41",
                          # A header at a time, as most libraries walk it.
                          "holding,1,40000,2", "holding,1,40002,2", "holding,1,40002,67", "holding,1,40069,2",
                          "holding,1,40069,52", "holding,1,40121,2",
                          # From behind, and cut within texts.
                          "holding,2,40060,11", "holding,2,40040,20", "holding,2,40010,30", "holding,2,40000,10",
                          "repeat,3", "holding,1,40071,50", "holding,2,40071,105")
            logger.python("modbus_client.py", "10.20.0.42", "holding,1,40000,91", "repeat,3", "holding,1,40071,11")
    return [path]


@case("modbus/trouble")
def trouble(stem):
    """A remote I/O whose module fails and whose line is bad, and a drive that is busy now and then."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        wago = lab.host("wago", "00:30:de:40:10:33", "10.20.0.33")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50")
        modbus_server(wago, {1: WAGO, 2: METERS[2]}, failing={1: {40: 4}, 2: {8: 6}})
        with lab.capture(path):
            scada.python("modbus_client.py", "10.20.0.33", "diagnostics,1", "repeat,12", "holding,1,0,8", "holding,1,40,4",
                         "holding,2,8,2", "pause,0.1")
            scada.python("modbus_client.py", "10.20.0.33", "diagnostics,1")
    return [path]


@case("modbus/nmap")
def nmap(stem):
    """A scanner walks the units of a gateway that a SCADA server polls."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        moxa = lab.host("moxa", "00:90:e8:4c:10:20", "10.20.0.20")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50")
        stranger = lab.host("stranger", "02:0c:29:10:20:02", "10.20.0.98")
        modbus_server(moxa, METERS)
        with lab.capture(path):
            polling = scada.client("modbus_client.py", "10.20.0.20", "repeat,8", "holding,1,0,10", "holding,17,4,6", "pause,1")
            stranger.run("nmap", "-n", "-Pn", "-p", 502, "--script", "modbus-discover", "--script-args",
                         "modbus-discover.aggressive=true", "10.20.0.20", stdout=subprocess.DEVNULL)
            polling.wait(60)
    # It walks all 246 units, each in two connections: the first 20 are enough.
    whole = path.rename(stem.with_suffix(".whole.pcap"))
    subprocess.run(["tshark", "-r", whole, "-F", "pcap", "-w", path, "-Y",
                    "!(ip.addr == 10.20.0.98 && tcp.stream > 40)"], check=True)
    whole.unlink()
    return [path]


@case("modbus/walk")
def walk(stem):
    """A client reads the registers of a unit one by one, also where there are none."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        moxa = lab.host("moxa", "00:90:e8:4c:10:20", "10.20.0.20")
        stranger = lab.host("stranger", "02:0c:29:10:20:02", "10.20.0.98")
        modbus_server(moxa, METERS)
        with lab.capture(path):
            stranger.python("modbus_client.py", "10.20.0.20", *[f"holding,1,{at},1" for at in range(204)])
    return [path]


@case("bacnet/nmap")
def bacnet_nmap(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        delta = lab.host("delta", "00:40:ae:05:11:10", "10.20.0.110")
        stranger = lab.host("stranger", "02:0c:29:10:20:02", "10.20.0.98")
        bacnet_device(delta, "10.20.0.110", DELTA)
        with lab.capture(path):
            stranger.run("nmap", "-n", "-Pn", "-sU", "-p", 47808, "--script", "bacnet-info", "10.20.0.110",
                         stdout=subprocess.DEVNULL)
    # Before it asks, nmap tries the port with datagrams that are no BACnet.
    whole = path.rename(stem.with_suffix(".whole.pcap"))
    subprocess.run(["tshark", "-r", whole, "-F", "pcap", "-w", path, "-Y", "!udp || bacnet"], check=True)
    whole.unlink()
    return [path]


def camera(name, ip, mac, users, login, scopes=(), **more):
    """What a camera says of itself by ONVIF."""
    plain = {"port": 80, "ip": ip, "mac": mac, "users": users, "login": login, "hostname": name, "scopes": scopes,
             "uuid": f"4d454930-0000-1000-8000-{mac.replace(':', '')}", "stream": f"rtsp://{ip}:554/live/main"}
    return json.dumps(plain | more)


def calls(host, user, password, login, *calls):
    return {"host": host, "port": 80, "user": user, "password": password, "login": login,
            "calls": [[service, name, arguments] for service, name, arguments in calls]}


ASKED = [("device", name, {}) for name in (
    "GetSystemDateAndTime", "GetServices", "GetDeviceInformation", "GetScopes", "GetNetworkInterfaces", "GetNetworkProtocols",
    "GetHostname", "GetEndpointReference")]
ASKED[1] = ("device", "GetServices", {"IncludeCapability": False})
WATCHED = [("media", "GetProfiles", {}), ("media", "GetStreamUri", {
    "StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}, "ProfileToken": "main"})]


@case("onvif/cameras")
def onvif_cameras(stem):
    """Three cameras: WS-Security, HTTP Digest, and one that asks nobody for a login. A VMS looks at all of them; then a laptop
    guesses, makes a user, sets names and clocks, and loads a firmware."""
    changed = stem.with_name("changes")
    tallies = [path.with_suffix(".expected.tsv") for path in (stem, changed)]
    for tally in tallies:
        tally.unlink(missing_ok=True)
    with Lab() as lab:
        gate = lab.host("gate", "ac:cc:8e:20:10:81", "10.20.0.81")
        yard = lab.host("yard", "44:19:b6:20:10:82", "10.20.0.82")
        door = lab.host("door", "3c:ef:8c:20:10:83", "10.20.0.83")
        vms = lab.host("vms", "00:14:22:aa:10:55", "10.20.0.55")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        gate.serve("onvif_camera.py", camera(
            "axis-accc8e201081", "10.20.0.81", "ac:cc:8e:20:10:81", {"root": ["Gate-4711", "Administrator"]}, "wsse",
            ["type/video_encoder", "name/AXIS%20P3245-LV", "hardware/P3245-LV", "location/Gate%203"], Manufacturer="AXIS",
            Model="P3245-LV", FirmwareVersion="9.80.3.1", SerialNumber="ACCC8E201081", HardwareId="7C9"))
        yard.serve("onvif_camera.py", camera(
            "DS-2CD2043G0-I", "10.20.0.82", "44:19:b6:20:10:82", {"admin": ["Yard&2024", "Administrator"]}, "digest",
            ["name/HIKVISION%20DS-2CD2043G0-I", "hardware/DS-2CD2043G0-I", "MAC/4419b6201082"], realm="IP Camera(C2183)",
            Manufacturer="HIKVISION", Model="DS-2CD2043G0-I", FirmwareVersion="V5.6.2 build 190701", gzip=True,
            SerialNumber="DS-2CD2043G0-I20190912AAWRD71002", HardwareId="88", server="App-webs/", clock_ahead=3720))
        door.serve("onvif_camera.py", camera(
            "VTO", "10.20.0.83", "3c:ef:8c:20:10:83", {"admin": ["admin", "Administrator"], "guard": ["door", "User"]}, "none",
            ["name/Dahua", "hardware/DHI-VTO2202F"], Manufacturer="Dahua", Model="DHI-VTO2202F", HardwareId="1.00",
            FirmwareVersion="4.410.0000000.4.R, Build Date 2020-11-19", SerialNumber="6K04A31PAN00001",
            stream="rtsp://admin:admin@10.20.0.83:554/cam/realmonitor?channel=1"))
        for host in gate, yard, door:
            host.wait_for(80)
        user = {"Username": "service", "Password": "Visit<2026>", "UserLevel": "Operator"}
        with lab.capture(stem.with_suffix(".pcap")):
            vms.python("onvif_client.py", tallies[0], json.dumps([
                calls("10.20.0.81", "root", "Gate-4711", "wsse_digest", *ASKED, *WATCHED),
                calls("10.20.0.82", "admin", "Yard&2024", "digest", *ASKED, *WATCHED),
                calls("10.20.0.83", "", "", "none", *ASKED, ("device", "GetUsers", {}), *WATCHED)]))
        with lab.capture(changed.with_suffix(".pcap")):
            laptop.python("onvif_client.py", tallies[1], json.dumps([
                calls("10.20.0.81", "root", "pass", "wsse_digest", ("device", "GetUsers", {})),
                calls("10.20.0.81", "root", "Gate-4711", "wsse_text", ("device", "GetUsers", {}),
                      ("device", "CreateUsers", {"User": [user]}), ("device", "SetHostname", {"Name": "gate-3"}),
                      ("device", "SetSystemDateAndTime", {"DateTimeType": "NTP", "DaylightSavings": False}),
                      ("device", "DeleteUsers", {"Username": ["service"]}), ("device", "SystemReboot", {})),
                calls("10.20.0.82", "admin", "12345", "digest", ("device", "GetUsers", {})),
                calls("10.20.0.82", "admin", "Yard&2024", "digest", ("device", "SetUser", {"User": [user]})),
                calls("10.20.0.83", "", "", "none", ("device", "StartFirmwareUpgrade", {}),
                      ("http", "/upload/firmware", {"blocks": 64}),
                      ("device", "LoadCertificateWithPrivateKey", {"CertificateWithPrivateKey": [
                          {"CertificateID": "web", "Certificate": {"Data": "no certificate"},
                           "PrivateKey": {"Data": "no key, but the place where one stands"}}]}),
                      ("device", "SetSystemFactoryDefault", {"FactoryDefault": "Soft"}))]))
    return [path.with_suffix(".pcap") for path in (stem, changed)]


@case("onvif/discovery")
def onvif_discovery(stem):
    """Two cameras say that they are there; a VMS asks who is; one camera says that it goes."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        gate = lab.host("gate", "ac:cc:8e:20:10:81", "10.20.0.81")
        yard = lab.host("yard", "44:19:b6:20:10:82", "10.20.0.82")
        vms = lab.host("vms", "00:14:22:aa:10:55", "10.20.0.55")
        for host in gate, yard, vms:
            host.run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
        with lab.capture(path):
            gate.serve("discovery.py", "publish", "10.20.0.81", "4d454930-0000-1000-8000-accc8e201081", "8",
                       "type/video_encoder", "name/AXIS%20P3245-LV", "hardware/P3245-LV", "location/Gate%203")
            yard.serve("discovery.py", "publish", "10.20.0.82", "4d454930-0000-1000-8000-4419b6201082", "30",
                       "name/HIKVISION%20DS-2CD2043G0-I", "hardware/DS-2CD2043G0-I", "MAC/4419b6201082")
            time.sleep(3)
            vms.python("discovery.py", "search", "3")
            time.sleep(4)
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
        modbus_server(moxa, METERS)
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


def carried(stem, port, *options, **carrier):
    """Three meters on a serial line behind a server of it, or one PLC with the same units, asked the same each time."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        moxa = lab.host("moxa", "00:90:e8:4c:10:22", "10.20.0.22")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50")
        modbus_server(moxa, METERS, port=port, missing="silent", **carrier)
        with lab.capture(path):
            scada.python(
                "modbus_client.py", *options, f"10.20.0.22:{port}", "report,1", "identification,2,1,0", "status,1",
                "event_counter,17", "event_log,17", "echo,1,42330", "holding,1,5000,10", "write_register,2,1,1200",
                "write_coil,17,3,1", "to_all,5,7", "pause,0.2", "holding,9,0,2", "mask_write,1,4,242,37",
                "read_write,1,0,4,10,1,2", "repeat,3", "holding,1,0,2", "registers,2,0,60", "coils,17,0,16", "inputs,1,0,12",
                "write_registers,2,20,10,20,30", "write_coils,17,8,1,0,1,1", "pause,0.1")
    return [path]


@case("modbus/rtu_tcp")
def rtu_tcp(stem):
    return carried(stem, 4001, "--framer=rtu", framer="rtu")


@case("modbus/rtu_udp")
def rtu_udp(stem):
    return carried(stem, 4001, "--framer=rtu", "--udp", framer="rtu", transport="udp")


@case("modbus/ascii_tcp")
def ascii_tcp(stem):
    return carried(stem, 4002, "--framer=ascii", framer="ascii")


@case("modbus/udp")
def udp(stem):
    return carried(stem, 502, "--udp", transport="udp")


@case("modbus/udp_other_port")
def udp_other_port(stem):
    return carried(stem, 1502, "--udp", transport="udp")


@case("modbus/stranger")
def stranger(stem):
    """A plant at its daily work, and one write by somebody from another network, who comes late and asks for nothing."""
    path = stem.with_suffix(".pcap")
    with Lab("br0", "br1") as lab:
        gateway = "10.20.0.1"
        plc = lab.host("plc", "00:80:f4:12:34:56", "10.20.0.10", gateway=gateway)
        moxa = lab.host("moxa", "00:90:e8:4c:10:20", "10.20.0.20")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50")
        panel = lab.host("panel", "00:0e:8c:9b:10:60", "10.20.0.60")
        historian = lab.host("hist", "00:14:22:aa:10:51", "10.20.0.51")
        lab.router("router", ("02:0c:29:10:20:01", gateway, "br0"), ("02:0c:29:10:20:09", "10.20.9.1", "br1"))
        laptop = lab.host("laptop", "3c:2c:30:11:10:99", "10.20.9.99", bridge="br1", gateway="10.20.9.1")
        modbus_server(plc, {1: M340})
        modbus_server(moxa, METERS)
        with lab.capture(path, "tcp"):
            at_work = [
                scada.client("modbus_client.py", "10.20.0.10", "repeat,14", "holding,1,0,20", "inputs,1,0,12",
                             "write_register,1,5,1500", "pause,5"),
                panel.client("modbus_client.py", "10.20.0.10", "repeat,10", "coils,1,0,16", "holding,1,0,4",
                             "write_coil,1,3,1", "pause,7"),
                historian.client("modbus_client.py", "10.20.0.20", "identification,1,1,0", "identification,2,1,0",
                                 "identification,17,1,0", "repeat,7", "holding,1,0,10", "registers,2,0,4",
                                 "holding,17,4,6", "pause,10"),
            ]
            time.sleep(64)
            laptop.python("modbus_client.py", "10.20.0.10", "write_register,1,40,9999")
            for client in at_work:
                client.wait(120)
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


# 2026-11-24 23:16:20 UTC
BACNET_BEGIN = 1_795_562_180


def bacnet_device(host, address, device, port=47808, **options):
    host.serve("bacnet_device.py", json.dumps({"address": f"{address}/24:{port}", "device": device, **options}))
    host.wait_for(port, "udp")


def bacnet_identity(instance, name, maker, number, model, firmware, application, description, location, serial=None):
    device = {
        "instance": instance, "object-name": name, "vendor-name": maker, "vendor-identifier": number, "model-name": model,
        "firmware-revision": firmware, "application-software-version": application, "description": description,
        "location": location}
    return device | ({"serial-number": serial} if serial else {})


DELTA = bacnet_identity(240100, "AHU-1 controller", "Delta Controls", 8, "DSC-1616E", "V3.40 Build 571077", "V3.40",
                        "Air handling unit 1", "Plant room 1", "DC-1616-004711")
LOGIC = bacnet_identity(240200, "Chiller plant", "Automated Logic Corporation", 24, "OF1628", "drv_fwex 107-06-20051",
                        "PRG: chillers 12", "Chillers 1 and 2", "Roof")
SIEMENS = bacnet_identity(240300, "B01 PXC4", "Siemens Schweiz AG", 7, "PXC4.E16", "FW=02.20.160.33;WPC=1.8", "AAS-20:SU=SiUn",
                          "Heating circuit 3", "Building 1, ground floor", "210113C41234")


def site(lab):
    """Three controllers and a workstation."""
    hosts = [
        (lab.host("delta", "00:40:ae:05:11:10", "10.20.0.110"), "10.20.0.110", DELTA, 3),
        (lab.host("logic", "00:e0:c9:21:11:20", "10.20.0.120"), "10.20.0.120", LOGIC, 3),
        (lab.host("pxc", "00:05:19:4e:11:30", "10.20.0.130"), "10.20.0.130", SIEMENS, 60),
    ]
    for host, address, device, values in hosts:
        bacnet_device(host, address, device, values=values)
    return lab.host("bms", "00:1a:4b:60:11:99", "10.20.0.199")


@case("bacnet/site")
def bacnet_site(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        bms = site(lab)
        with lab.capture(path):
            bms.python(
                "bacnet_client.py", "10.20.0.199/24:47808", 1024, "who_is", "who_is,240200,240299", "who_has,Setpoint 3",
                "identity,10.20.0.110,240100", "identity,10.20.0.120,240200", "identity,10.20.0.130,240300",
                "read,10.20.0.110,device:240100,object-list", "read,10.20.0.110,device:240100,profile-name",
                "read,10.20.0.120,analog-value:77,present-value", "multiple,10.20.0.110,240100", "multiple,10.20.0.130,240300",
                "write,10.20.0.110,analog-value:1,present-value,21.5,8", "write,10.20.0.110,analog-input:1,present-value,3,8",
                "read,10.20.0.110,analog-value:1,present-value", "watch,10.20.0.120,analog-value:2,25.5")
    return [path]


@case("bacnet/segmented")
def bacnet_segmented(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        bms = site(lab)
        with lab.capture(path):
            bms.python("bacnet_client.py", "10.20.0.199/24:47808", 206, "who_is,240300,240300",
                       "read,10.20.0.130,device:240300,object-list", "multiple,10.20.0.130,240300",
                       "read,10.20.0.130,device:240300,model-name")
    return [path]


@case("bacnet/password")
def bacnet_password(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        delta = lab.host("delta", "00:40:ae:05:11:10", "10.20.0.110")
        bms = lab.host("bms", "00:1a:4b:60:11:99", "10.20.0.199")
        bacnet_device(delta, "10.20.0.110", DELTA, password="lab-secret-1")
        with lab.capture(path):
            bms.python("bacnet_client.py", "10.20.0.199/24:47808", 1024, "who_is",
                       "control,10.20.0.110,disable-initiation,lab-wrong-0", "control,10.20.0.110,disable-initiation,lab-secret-1",
                       "control,10.20.0.110,enable,lab-secret-1", "restart,10.20.0.110,lab-wrong-0",
                       "restart,10.20.0.110,lab-secret-1")
    return [path]


@case("bacnet/doubled")
def bacnet_doubled(stem):
    """Two controllers of different makers that were given the same instance, and one with an instance of its own."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        delta = lab.host("delta", "00:40:ae:05:11:10", "10.20.0.110")
        logic = lab.host("logic", "00:e0:c9:21:11:20", "10.20.0.120")
        bms = lab.host("bms", "00:1a:4b:60:11:99", "10.20.0.199")
        bacnet_device(delta, "10.20.0.110", DELTA)
        bacnet_device(logic, "10.20.0.120", LOGIC | {"instance": DELTA["instance"]})
        with lab.capture(path):
            bms.python("bacnet_client.py", "10.20.0.199/24:47808", 1024, "who_is", "who_is,240100,240100",
                       "read,10.20.0.110,device:240100,object-name", "read,10.20.0.120,device:240100,object-name", "who_is")
    return move(path, BACNET_BEGIN - int(time.time()))


@case("bacnet/router")
def bacnet_router(stem):
    path = stem.with_suffix(".pcap")
    router = bacnet_identity(240400, "Router B2", "Reliable Controls Corporation", 35, "MACH-ProWebSys", "8.26.4", "RC-Studio 3.7",
                             "Router to the field bus of building 2", "Building 2")
    behind = {"network": 2001, "devices": {
        "5": bacnet_identity(240405, "VAV 5", "Distech Controls Inc.", 364, "ECB-VAV", "1.16.17214.1", "1.0", "Room 205",
                             "Building 2, floor 2"),
        "17": bacnet_identity(240417, "FCU 17", "LOYTEC Electronics GmbH", 178, "LROC-400", "7.4.8", "1.2", "Room 217",
                              "Building 2, floor 2", "01A917-80000014B9D2"),
    }}
    with Lab() as lab:
        host = lab.host("router", "00:02:d9:17:11:40", "10.20.0.140")
        bms = lab.host("bms", "00:1a:4b:60:11:99", "10.20.0.199")
        bacnet_device(host, "10.20.0.140", router, network=1001, behind=behind)
        with lab.capture(path):
            bms.python("bacnet_client.py", "10.20.0.199/24:47808", 1024, "router,2001", "who_is",
                       "identity,10.20.0.140,240400", "identity,2001:5,240405", "identity,2001:17,240417",
                       "write,2001:5,analog-value:1,present-value,19.5,8", "read,2001:17,device:240417,profile-name")
    return [path]


@case("bacnet/foreign")
def bacnet_foreign(stem):
    """Two subnets, a broadcast management device in each, and a foreign device in a third: seen from the first."""
    path = stem.with_suffix(".pcap")
    peers = ["10.20.0.110/32:47808", "10.21.0.120/32:47808"]
    with Lab("br0", "br1", "br2") as lab:
        lab.router("gate", ("00:1b:21:00:20:01", "10.20.0.1", "br0"), ("00:1b:21:00:21:01", "10.21.0.1", "br1"),
                   ("00:1b:21:00:22:01", "10.22.0.1", "br2"))
        delta = lab.host("delta", "00:40:ae:05:11:10", "10.20.0.110", "br0", "10.20.0.1")
        pxc = lab.host("pxc", "00:05:19:4e:11:30", "10.20.0.130", "br0", "10.20.0.1")
        logic = lab.host("logic", "00:e0:c9:21:11:20", "10.21.0.120", "br1", "10.21.0.1")
        laptop = lab.host("laptop", "3c:52:82:0a:22:77", "10.22.0.77", "br2", "10.22.0.1")
        stranger = lab.host("stranger", "00:1a:4b:60:11:99", "10.20.0.199", "br0", "10.20.0.1")
        bacnet_device(delta, "10.20.0.110", DELTA, bbmd=peers)
        bacnet_device(pxc, "10.20.0.130", SIEMENS)
        bacnet_device(logic, "10.21.0.120", LOGIC, bbmd=peers)
        tech = lab.host("tech", "00:1b:44:13:21:30", "10.21.0.130", "br1", "10.21.0.1")
        with lab.capture(path):
            visit = laptop.client("bacnet_client.py", "10.22.0.77/24:47808@10.20.0.110", "1024/4190077", "pause,0.5", "announce",
                                  "who_is", "read,10.20.0.130,device:240300,model-name", "pause,6")
            time.sleep(4)
            tech.python("bacnet_client.py", "10.21.0.130/24:47808", "1024/4190130", "announce")
            stranger.python("bacnet_client.py", "10.20.0.199/24:47808", 1024, "tables,10.20.0.110",
                            "distribute,10.20.0.110,10.20.0.110/32:47808,10.20.0.199/32:47808",
                            "unregister,10.20.0.110,10.22.0.99:47808", "unregister,10.20.0.110,10.22.0.77:47808")
            visit.wait(60)
    return [path]


@case("bacnet/networks")
def bacnet_networks(stem):
    """A router with a network behind it is asked what it leads to."""
    path = stem.with_suffix(".pcap")
    router = bacnet_identity(240400, "Router B2", "Reliable Controls Corporation", 35, "MACH-ProWebSys", "8.26.4", "RC-Studio 3.7",
                             "Router to the field bus of building 2", "Building 2")
    behind = {"network": 2001, "devices": {
        "5": bacnet_identity(240405, "VAV 5", "Distech Controls Inc.", 364, "ECB-VAV", "1.16.17214.1", "1.0", "Room 205",
                             "Building 2, floor 2")}}
    with Lab() as lab:
        host = lab.host("router", "00:02:d9:17:11:40", "10.20.0.140")
        bms = lab.host("bms", "00:1a:4b:60:11:99", "10.20.0.199")
        bacnet_device(host, "10.20.0.140", router, network=1001, behind=behind)
        with lab.capture(path):
            bms.python("bacnet_client.py", "10.20.0.199/24:47808", 1024, "routers", "router,2001", "router,3001",
                       "routes,10.20.0.140", "number", "read,3001:7,device:1,object-name",
                       "read,2001:5,device:240405,model-name")
    return [path]


@case("bacnet/segments")
def bacnet_segments(stem):
    """A request of many segments, and an answer of many, in windows."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        delta = lab.host("delta", "00:40:ae:05:11:10", "10.20.0.110")
        bms = lab.host("bms", "00:1a:4b:60:11:99", "10.20.0.199")
        bacnet_device(delta, "10.20.0.110", DELTA | {"max-apdu": 206}, values=120)
        with lab.capture(path):
            bms.python("bacnet_client.py", "10.20.0.199/24:47808", 128, "who_is", "bulk,10.20.0.110,60",
                       "read,10.20.0.110,device:240100,object-list", "read,10.20.0.110,analog-value:1,present-value")
    return [path]


def bacnet_frames(kind):
    @case(f"bacnet/{kind}")
    def laid_out(stem):
        """What no stack sends, around the messages of `bacnet/router`."""
        path = stem.with_suffix(".pcap")
        subprocess.run([sys.executable, HERE / "bacnet_frames.py", kind, PCAPS / "bacnet/router.pcap", path], check=True)
        return [path]


for carrier in ("mstp", "arcnet", "ipv6"):
    bacnet_frames(carrier)


@case("bacnet/other_port")
def bacnet_other_port(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        delta = lab.host("delta", "00:40:ae:05:11:10", "10.20.0.110")
        bms = lab.host("bms", "00:1a:4b:60:11:99", "10.20.0.199")
        bacnet_device(delta, "10.20.0.110", DELTA, port=47820)
        with lab.capture(path):
            bms.python("bacnet_client.py", "10.20.0.199/24:47820", 1024, "who_is",
                       "read,10.20.0.110,device:240100,object-name", "read,10.20.0.110,device:240100,model-name",
                       "read,10.20.0.110,device:240100,firmware-revision",
                       "write,10.20.0.110,analog-value:1,present-value,21.5,8")
    return [path]


def controllers(lab):
    """One that wants a password, and one that wants none."""
    delta = lab.host("delta", "00:40:ae:05:11:10", "10.20.0.110")
    logic = lab.host("logic", "00:e0:c9:21:11:20", "10.20.0.120")
    restarted = {"restarted": ["hardware-watchdog", "2026-11-20", "04:12:33"], "uuid": "6f1d3b0a52c84e0f9a7be3d81c2f4a60"}
    bacnet_device(delta, "10.20.0.110", DELTA | restarted, password="lab-secret-1")
    bacnet_device(logic, "10.20.0.120", LOGIC)
    return lab.host("engineer", "00:1a:4b:60:11:77", "10.20.0.77")


def engineer(stem, *steps):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        station = controllers(lab)
        with lab.capture(path):
            station.python("bacnet_engineer.py", "10.20.0.77/24", "10.20.0.110", "10.20.0.120", "lab-secret-1", *steps)
    return [path]


@case("bacnet/look")
def bacnet_look(stem):
    return engineer(stem, "look")


@case("bacnet/changes")
def bacnet_changes(stem):
    return engineer(stem, "write")


@case("bacnet/messages")
def bacnet_messages(stem):
    return engineer(stem, "talk")


@case("bacnet/files")
def bacnet_files(stem):
    return engineer(stem, "save")


@case("bacnet/unguarded")
def bacnet_unguarded(stem):
    return engineer(stem, "command")


DAY = 1767225600  # Thu, 01 Jan 2026 00:00:00 GMT


RELAY = [[0, 252, 1, "Schweitzer Engineering Laboratories"], [0, 250, 1, "SEL-751 Feeder Relay"], [0, 242, 1, "R401-V0"],
         [0, 243, 1, "B"], [0, 248, 1, "3210450017"], [0, 249, 1, "2:2012"], [0, 247, 1, "Feeder 7"], [0, 246, 1, "F-07"],
         [0, 245, 1, "Lab substation, bay 3"], [0, 244, 1, "Lab utility"], [0, 208, 1, "Lab grid"], [0, 207, 1, "Lab control room"],
         [0, 196, 1, "feeder-7"], [0, 197, 1, "12"], [0, 198, 7, 1_790_000_000_000], [0, 200, 5, list(range(16, 32))],
         [0, 201, 2, 1], [0, 202, 1, "_5f3c0a1e"], [0, 203, 4, 412.5], [0, 204, 4, 11.5], [0, 205, 4, 48.25], [0, 209, 2, 5],
         [0, 224, 2, 4], [0, 239, 2, 4], [0, 240, 2, 2048], [0, 241, 2, 2048], [7, 1, 1, "Lab relay tag"], [7, 2, 2, 70000]]


def move(path, shift):
    """Moves a capture in time by so many seconds."""
    moved = path.with_suffix(".moved")
    subprocess.run(["editcap", "-F", "pcap", "-t", str(shift), path, moved], check=True)
    moved.rename(path)
    return [path]


def dnp3(stem, moment, device, *steps, others=(), **settings):
    """A master on 10.20.0.150 and an outstation on 10.20.0.151. The capture is moved to a moment, and the clocks with it.
    Where there are others, on the addresses behind it, all are asked by turns, and twice."""
    path = stem.with_suffix(".pcap")
    shift = moment - int(time.time())
    with Lab() as lab:
        master = lab.host("master", "00:14:22:aa:11:50", "10.20.0.150")
        addresses = [f"10.20.0.{151 + number}" for number in range(1 + len(others))]
        for number, (mac, address) in enumerate(zip((device, *others), addresses)):
            relay = lab.host(f"relay{number}", mac, address)
            relay.serve("dnp3_device.py", json.dumps({"address": 10, "master": 1, "shift_seconds": shift} | settings))
            relay.wait_for(20000)
        with lab.capture(path, "tcp"):
            for address in addresses * 2 if others else addresses:
                master.python("dnp3_engineer.py", address, 10, shift, *steps)
    return move(path, shift)


SEL = "00:30:a7:12:34:56"
# 2026-11-24 23:00:00 UTC
DNP3_BEGIN = 1_795_561_200


@case("dnp3/attributes")
def dnp3_attributes(stem):
    """Who the device is; then somebody gives it another name, tries another place, sets its clock a day ahead, writes the rest."""
    return dnp3(stem, DNP3_BEGIN, SEL, "integrity", "attributes", "attributes,7", "clear_restart", "clock", "set_clock",
                "name,247,Feeder 8", "name,245,elsewhere", "attribute,247", "set_clock,86400", "deadband,1,5", "classes", "freeze",
                "strings", "unknown", attributes=RELAY, writable=[247], strings=["bay 3 ready", "F-07"])


@case("dnp3/outputs")
def dnp3_outputs(stem):
    """Outputs are selected and operated, or at once; one is switched at the device alone."""
    return dnp3(stem, DNP3_BEGIN + 60, SEL, "integrity", "operate,latch_on,1,select", "operate,pulse_on,2", "operate,latch_off,3",
                "operate,analog,1,50", "operate,analog,2,1000,select", "operate,latch_on,9", attributes=RELAY)


@case("dnp3/files")
def dnp3_files(stem):
    """A login that is refused, one that is not; files are read, written, deleted; one that is not there, a directory."""
    settings = "; ".join(f"setting {number} = {number * 7}" for number in range(40))
    return dnp3(stem, DNP3_BEGIN + 120, SEL, "write,/settings.txt,stolen", "login,engineer,lab-wrong-1", "login,engineer,lab-secret-7",
                "read,/", "read,/settings.txt", "read,/events.log", "read,/nothing.txt", "write,/settings.txt,setting 1 = 8; ",
                "write,/half.bin,half of it; ,abort", "information,/settings.txt", "delete,/events.log", "delete,/events.log",
                "activate,/settings.txt", attributes=RELAY, login=["engineer", "lab-secret-7"],
                files={"/settings.txt": settings, "/events.log": "2026-11-24 trip; "})


@case("dnp3/security")
def dnp3_security(stem):
    """Secure authentication, version 5: keys, a control that is challenged and proved, one with a wrong key, a new user."""
    return dnp3(stem, DNP3_BEGIN + 180, SEL, "session_keys", "proved,1", "proved,2,wrong", "add_user,lab-operator", "certificate",
                attributes=RELAY, secure=True)


@case("dnp3/console")
def dnp3_console(stem):
    """A console of the device within DNP3: a login, letter by letter readable."""
    return dnp3(stem, DNP3_BEGIN + 240, SEL, "integrity", "type,", "type,engineer", "type,lab-secret-8", "type,status",
                attributes=RELAY, console=[["Feeder 7\r\n", "login: "], ["engineer\r\nPass", "word: "], ["\r\n=> "], ["breaker closed\r\n=> "]])


def dnp3_line(stem, moment, kind, port, addresses, *steps, client="master"):
    """A serial server on 10.20.0.153 with outstations behind it, and who speaks to them."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        server = lab.host("moxa", "00:90:e8:4c:11:53", "10.20.0.153")
        mac, address = ("00:14:22:aa:11:50", "10.20.0.150") if client == "master" else ("3c:2c:30:11:11:70", "10.20.0.170")
        master = lab.host(client, mac, address)
        server.serve("dnp3_line.py", "serve", port, kind, *addresses)
        server.wait_for(port, kind)
        with lab.capture(path, kind):
            master.python("dnp3_line.py", "poll", "10.20.0.153", port, kind, *steps)
    return move(path, moment - int(time.time()))


LINE = ("poll,11", "poll,12", "poll,13", "pieces,11", "noise,12", "poll,65535", "status,11", "select,11,1", "select,12,2,nothing",
        "unsolicited,11", "warm_restart,12", "cold_restart,65535", "cold_restart,13", "poll,14")


@case("dnp3/line_tcp")
def dnp3_line_tcp(stem):
    """Three outstations of a line behind a serial server, one more that is not there; noise, broadcasts, restarts."""
    return dnp3_line(stem, DNP3_BEGIN + 300, "tcp", 4004, (11, 12, 13), *LINE)


@case("dnp3/udp")
def dnp3_udp(stem):
    """An outstation over UDP."""
    return dnp3_line(stem, DNP3_BEGIN + 360, "udp", 20000, (11,), "poll,11", "select,11,1", "unsolicited,11", "status,11", "poll,11")


@case("dnp3/scan")
def dnp3_scan(stem):
    """Somebody asks a hundred link addresses in one burst which of them is there, as scanners do."""
    return dnp3_line(stem, DNP3_BEGIN + 420, "tcp", 20000, (11,), "burst,100", client="laptop")


@case("dnp3/fragments")
def dnp3_fragments(stem):
    """Answers in several fragments, each but the last confirmed; then short ones again."""
    return dnp3(stem, DNP3_BEGIN + 480, SEL, "integrity", "clear_restart", "integrity", "clock", attributes=RELAY, points=90,
                fragment=512)


@case("dnp3/doubled")
def dnp3_doubled(stem):
    """Two outstations that have the same link address, and one master."""
    return dnp3(stem, DNP3_BEGIN + 540, SEL, "integrity", "clock", others=["00:30:a7:65:43:21"], attributes=RELAY)


@case("dnp3/storm")
def dnp3_storm(stem):
    """A contact that bounces: an outstation sends each change unasked."""
    return dnp3(stem, DNP3_BEGIN + 600, SEL, "integrity", "listen,150", "integrity", attributes=RELAY, storm=150)


# As lighttpd calls them.
DIGESTS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def web_pages(users=("admin:lab-secret-1",)):
    """A folder with pages and the logins for nginx (Basic) and lighttpd (Digest, by MD5 or SHA-256)."""
    folder = Path(tempfile.mkdtemp(prefix="otolab-web-"))
    pages = folder / "pages"
    (pages / "setup").mkdir(parents=True)
    (pages / "index.html").write_text("<html><head><title>750-881</title></head><body>WAGO Ethernet Web-Based Management"
                                      "</body></html>\n")
    (pages / "setup/index.html").write_text("<html><body>Firmware revision 01.09.22 (10)</body></html>\n")
    (pages / "trend.html").write_text("<html><body>" + "<p>12.5 bar, 80 degrees</p>\n" * 150 + "</body></html>\n")
    logins = [user.split(":") for user in users]
    (folder / "htpasswd").write_text("".join(f"{user}:{{PLAIN}}{secret}\n" for user, secret in logins))
    for algorithm, function in DIGESTS.items():
        hashes = [function(f"{user}:Lab camera:{secret}".encode()).hexdigest() for user, secret in logins]
        lines = (f"{user}:Lab camera:{digest}\n" for (user, _), digest in zip(logins, hashes))
        (folder / f"htdigest-{algorithm}").write_text("".join(lines))
    shutil.copy(HERE / "nginx.conf", folder)
    for path in folder, *folder.rglob("*"):
        path.chmod(0o755)
        os.utime(path, (DAY, DAY))
    return folder


def nginx(host, folder):
    host.start("nginx", "-p", folder, "-c", folder / "nginx.conf")
    host.wait_for(80)


def curl(host, *arguments):
    host.run("curl", "-s", "--max-time", "10", *arguments, stdout=subprocess.DEVNULL)


@case("http/web")
def web(stem):
    path = stem.with_suffix(".pcap")
    folder = web_pages()
    with Lab() as lab:
        wago = lab.host("wago", "00:30:de:40:10:31", "10.20.0.31")
        controller = lab.host("ctl", "00:d0:c9:7a:10:32", "10.20.0.32")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        nginx(wago, folder)
        controller.serve("web_server.py", 8080)
        controller.wait_for(8080)
        with lab.capture(path):
            curl(laptop, "http://10.20.0.31/")
            curl(laptop, "http://10.20.0.31/setup/")
            curl(laptop, "-u", "admin:lab-wrong-0", "http://10.20.0.31/setup/")
            curl(laptop, "-u", "admin:lab-secret-1", "http://10.20.0.31/setup/")
            curl(laptop, "-I", "http://10.20.0.31/index.html")
            curl(laptop, "-z", "Thu, 01 Jan 2026 00:00:00 GMT", "http://10.20.0.31/index.html")
            curl(laptop, "http://10.20.0.31/trend.html", "http://10.20.0.31/missing.html", "http://10.20.0.31/index.html")
            curl(laptop, "-X", "POST", "-d", "ip=10.20.0.33&mask=255.255.255.0", "http://10.20.0.31/index.html")
            laptop.python("web_pipeline.py", "10.20.0.31", 80, "/index.html", "/trend.html", "/missing.html")
            curl(laptop, "http://10.20.0.32:8080/values", "http://10.20.0.32:8080/empty", "http://10.20.0.32:8080/")
            curl(laptop, "-H", 'If-None-Match: "7"', "http://10.20.0.32:8080/")
            curl(laptop, "-I", "http://10.20.0.32:8080/")
            curl(laptop, "-d", "setpoint=4.5", "http://10.20.0.32:8080/values")
            curl(laptop, "-u", "operator:lab-secret-1", "-d", "setpoint=4.5", "http://10.20.0.32:8080/values")
            laptop.python("web_pipeline.py", "10.20.0.32", 8080, "/values", "/", "/empty", "/values")
    shutil.rmtree(folder)
    return [path]


@case("http/digest")
def digest(stem):
    path = stem.with_suffix(".pcap")
    folder = web_pages()
    with Lab() as lab:
        camera = lab.host("camera", "ac:cc:8e:31:10:33", "10.20.0.33")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        camera.start("env", f"LAB_WEB={folder}", "LAB_DIGEST=MD5", "lighttpd", "-D", "-f", HERE / "lighttpd.conf")
        camera.wait_for(80)
        with lab.capture(path):
            curl(laptop, "http://10.20.0.33/setup/")
            curl(laptop, "--digest", "-u", "admin:lab-wrong-0", "http://10.20.0.33/setup/")
            curl(laptop, "--digest", "-u", "admin:lab-secret-1", "http://10.20.0.33/setup/")
    shutil.rmtree(folder)
    return [path]


@case("http/passwords")
def passwords(stem):
    """Logins by Basic and by Digest of both kinds with a default, an empty, a guessable and a strong password."""
    path = stem.with_suffix(".pcap")
    users = "admin:12345", "service:", "gate-west:gate-west", "viewer:lab-Secret-9x"
    folder = web_pages(users)
    devices = {"Basic": "10.20.0.34", "MD5": "10.20.0.35", "SHA-256": "10.20.0.36"}
    with Lab() as lab:
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        nginx(lab.host("basic", "00:30:de:40:10:34", devices["Basic"]), folder)
        for algorithm in DIGESTS:
            device = lab.host(algorithm.lower(), f"44:19:b6:20:10:{devices[algorithm][-2:]}", devices[algorithm])
            device.start("env", f"LAB_WEB={folder}", f"LAB_DIGEST={algorithm}", "lighttpd", "-D", "-f",
                         HERE / "lighttpd.conf")
            device.wait_for(80)
        with lab.capture(path):
            for scheme, address in devices.items():
                for user in "admin:lab-wrong-0", *users:
                    way = [] if scheme == "Basic" else ["--digest"]
                    curl(laptop, *way, "-u", user, f"http://{address}/setup/")
    shutil.rmtree(folder)
    return [path]


def camera(host, path, port=554, **settings):
    # GStreamer's Python binding is the system's.
    host.start("/usr/bin/python3", HERE / "rtsp_camera.py", json.dumps({"path": path, "port": port} | settings))
    host.wait_for(port)


def ffmpeg(host, url, transport="tcp", seconds=3):
    """A client that watches for some seconds; wrong passwords end it at once."""
    host.run("ffmpeg", "-nostdin", "-loglevel", "error", "-rtsp_transport", transport, "-i", url, "-t", seconds,
             "-f", "null", "-", check=False, stderr=subprocess.DEVNULL)


def gstreamer(host, url, seconds, *options):
    """GStreamer's client watches for some seconds and says goodbye."""
    host.run("timeout", "-s", "INT", seconds, "gst-launch-1.0", "-q", "-e", "rtspsrc", f"location={url}", *options,
             "!", "fakesink", check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@case("rtsp/open")
def rtsp_open(stem):
    """Two cameras without a login, one on another port; video within the connection and beside it."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        gate = lab.host("gate", "bc:ad:28:10:20:01", "10.20.0.201")
        yard = lab.host("yard", "00:40:8c:10:20:02", "10.20.0.202")
        recorder = lab.host("recorder", "bc:ad:28:10:20:99", "10.20.0.210")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        camera(gate, "/Streaming/Channels/101")
        camera(yard, "/axis-media/media.amp", port=9554, server="GStreamer RTSP server")
        with lab.capture(path):
            ffmpeg(recorder, "rtsp://10.20.0.201/Streaming/Channels/101")
            ffmpeg(recorder, "rtsp://10.20.0.202:9554/axis-media/media.amp", transport="udp", seconds=6)
            gstreamer(laptop, "rtsp://10.20.0.201/Streaming/Channels/101", 4, "protocols=udp")
            ffmpeg(laptop, "rtsp://10.20.0.201/nothing/here")
    return [path]


@case("rtsp/basic")
def rtsp_basic(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        door = lab.host("door", "90:02:a9:10:20:03", "10.20.0.203")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        camera(door, "/cam/realmonitor", login="basic", realm="Login to 4K049EBPAG1D7E7", user="admin",
               password="lab-Door-7", server="Rtsp Server/3.0")
        with lab.capture(path):
            for url in ("10.20.0.203", "admin:wrong@10.20.0.203", "admin:lab-Door-7@10.20.0.203"):
                ffmpeg(laptop, f"rtsp://{url}/cam/realmonitor?channel=1&subtype=0", seconds=2)
    return [path]


@case("rtsp/digest")
def rtsp_digest(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        hall = lab.host("hall", "00:40:8c:10:20:04", "10.20.0.204")
        recorder = lab.host("recorder", "bc:ad:28:10:20:99", "10.20.0.210")
        camera(hall, "/axis-media/media.amp", login="digest", realm="AXIS_00408C102004", user="root",
               password="lab-Hall-4")
        with lab.capture(path):
            for url in ("root:wrong@10.20.0.204", "root:lab-Hall-4@10.20.0.204"):
                ffmpeg(recorder, f"rtsp://{url}/axis-media/media.amp", seconds=2)
            gstreamer(recorder, "rtsp://root:lab-Hall-4@10.20.0.204/axis-media/media.amp", 3, "protocols=tcp")
    return [path]


@case("rtsp/tunnel")
def rtsp_tunnel(stem):
    """RTSP within HTTP: answers and video in one connection, requests in Base64 in another."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        hall = lab.host("hall", "00:40:8c:10:20:04", "10.20.0.204")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        camera(hall, "/axis-media/media.amp", port=8554)
        with lab.capture(path):
            gstreamer(laptop, "rtsph://10.20.0.204:8554/axis-media/media.amp", 4)
    return [path]


@case("rtsp/multicast")
def rtsp_multicast(stem):
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        yard = lab.host("yard", "00:40:8c:10:20:02", "10.20.0.202")
        recorder = lab.host("recorder", "bc:ad:28:10:20:99", "10.20.0.210")
        for host in (yard, recorder):
            host.run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
        camera(yard, "/live.sdp", multicast="239.20.0.2")
        with lab.capture(path):
            ffmpeg(recorder, "rtsp://10.20.0.202/live.sdp", transport="udp_multicast", seconds=6)
    return [path]


@case("rtsp/record")
def rtsp_record(stem):
    """An encoder announces a stream and has it recorded."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        store = lab.host("store", "bc:ad:28:10:20:98", "10.20.0.211")
        encoder = lab.host("encoder", "00:1a:07:10:20:05", "10.20.0.205")
        camera(store, "/live", takes=True)
        with lab.capture(path):
            encoder.run("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i",
                        "testsrc=size=160x120:rate=5", "-t", 3, "-c:v", "libx264", "-preset", "ultrafast", "-tune",
                        "zerolatency", "-pix_fmt", "yuv420p", "-b:v", "24k", "-f", "rtsp", "-rtsp_transport", "tcp",
                        "rtsp://10.20.0.211/live", check=False, stderr=subprocess.DEVNULL)
    return [path]


@case("mixed/plant")
def plant(stem):
    """Half a minute of a small plant: two control systems, three workstations, everything at once."""
    path = stem.with_suffix(".pcap")
    folder = web_pages()
    with Lab() as lab:
        plc = lab.host("plc", "00:80:f4:12:34:56", "10.20.0.10")
        moxa = lab.host("moxa", "00:90:e8:4c:10:20", "10.20.0.20")
        wago = lab.host("wago", "00:30:de:40:10:31", "10.20.0.31")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50")
        panel = lab.host("panel", "00:0e:8c:9b:10:60", "10.20.0.60")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        modbus_server(plc, {1: M340})
        modbus_server(moxa, METERS)
        modbus_server(wago, {1: WAGO})
        nginx(wago, folder)
        bms = site(lab)
        with lab.capture(path):
            at_work = [
                scada.client("modbus_client.py", "10.20.0.10", "identification,1,1,0", "repeat,25", "holding,1,0,20",
                             "inputs,1,0,12", "pause,1"),
                scada.client("modbus_client.py", "10.20.0.20", "repeat,12", "holding,1,0,10", "registers,2,0,4",
                             "holding,9,0,2", "holding,17,4,6", "pause,2"),
                panel.client("modbus_client.py", "10.20.0.10", "repeat,8", "holding,1,0,4", "write_register,1,5,1500",
                             "write_coil,1,3,1", "pause,3"),
                panel.client("modbus_client.py", "10.20.0.31", "identification,1,1,0", "repeat,10", "registers,1,0,8",
                             "pause,2.5"),
                bms.client("bacnet_client.py", "10.20.0.199/24:47808", 1024, "who_is", "identity,10.20.0.110,240100",
                           "multiple,10.20.0.120,240200", "multiple,10.20.0.130,240300", *[
                               step for _ in range(4) for step in (
                                   "pause,5", "read,10.20.0.110,analog-input:1,present-value",
                                   "read,10.20.0.120,analog-value:2,present-value",
                                   "write,10.20.0.130,analog-value:3,present-value,21.5,8")]),
            ]
            time.sleep(8)
            for page in "/", "/setup/", "/trend.html":
                curl(laptop, "-u", "admin:lab-secret-1", f"http://10.20.0.31{page}")
                time.sleep(2)
            laptop.python("modbus_client.py", "10.20.0.10", "identification,1,3,0", "write_registers,1,20,10,20,30")
            for client in at_work:
                client.wait(120)
    shutil.rmtree(folder)
    return [path]


@case("mixed/before")
def before(stem):
    """A small plant, to be compared with `mixed/after`."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        plc = lab.host("plc", "00:80:f4:30:10:10", "10.30.0.10")
        pac = lab.host("pac", "00:1b:1b:30:10:22", "10.30.0.22")
        wago = lab.host("wago", "00:30:de:30:10:31", "10.30.0.31")
        scada = lab.host("scada", "00:14:22:30:10:50", "10.30.0.50")
        modbus_server(plc, {1: M340})
        modbus_server(pac, {1: objects("Siemens", "7KM2112-0BA00-3AA0", "V2.21", product="SENTRON PAC3200")})
        modbus_server(wago, {1: WAGO})
        with lab.capture(path):
            for address in "10.30.0.10", "10.30.0.22", "10.30.0.31":
                scada.python("modbus_client.py", address, "identification,1,1,0", "repeat,6", "holding,1,0,8", "pause,0.2")
    return [path]


@case("mixed/after")
def after(stem):
    """The plant of `mixed/before` later: new firmware in the PLC, another controller at the address of the old one, the meter
    gone, another one in its place but not at its address, and a laptop that writes."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        plc = lab.host("plc", "00:80:f4:30:10:10", "10.30.0.10")
        meter = lab.host("meter", "00:80:f4:30:10:23", "10.30.0.23")
        wago = lab.host("wago", "00:30:de:77:10:99", "10.30.0.31")
        scada = lab.host("scada", "00:14:22:30:10:50", "10.30.0.50")
        laptop = lab.host("laptop", "3c:2c:30:30:10:70", "10.30.0.70")
        modbus_server(plc, {1: M340 | {2: "v2.80"}})
        modbus_server(meter, {1: METERS[1]})
        modbus_server(wago, {1: objects("WAGO", "750-889", "01.03.01", "http://www.wago.com", "KNX IP Controller", "750-889")})
        with lab.capture(path):
            for address in "10.30.0.10", "10.30.0.23", "10.30.0.31":
                scada.python("modbus_client.py", address, "identification,1,1,0", "repeat,6", "holding,1,0,8", "pause,0.2")
            laptop.python("modbus_client.py", "10.30.0.10", "write_register,1,5,1500")
    return [path]


@case("mixed/conflict")
def conflict(stem):
    """Two controllers with one address: each answers who asks for it."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        plc = lab.host("plc", "00:80:f4:31:10:10", "10.31.0.10")
        wago = lab.host("wago", "00:30:de:31:10:10", "10.31.0.10")
        scada = lab.host("scada", "00:14:22:31:10:50", "10.31.0.50")
        panel = lab.host("panel", "00:0e:8c:31:10:60", "10.31.0.60")
        modbus_server(plc, {1: M340})
        modbus_server(wago, {1: WAGO})
        with lab.capture(path):
            for _ in range(3):
                for client in scada, panel:
                    client.python("modbus_client.py", "10.31.0.10", "holding,1,0,8")
                    client.run("ip", "neigh", "flush", "all")
                time.sleep(11)
    return [path]


@case("mixed/vlan")
def vlan(stem):
    """The same addresses in two VLANs, each recorded apart: one in nanoseconds, one in microseconds. The tags are ours."""
    path = stem.with_suffix(".pcapng")
    parts = [stem.with_suffix(".10.pcap"), stem.with_suffix(".20.pcap")]
    with Lab("br10", "br20") as lab:
        plc = lab.host("plc", "00:80:f4:12:34:56", "10.20.0.10", bridge="br10")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50", bridge="br10")
        wago = lab.host("wago", "00:30:de:40:10:31", "10.20.0.10", bridge="br20")
        delta = lab.host("delta", "00:40:ae:05:11:10", "10.20.0.110", bridge="br20")
        bms = lab.host("bms", "00:1a:4b:60:11:99", "10.20.0.50", bridge="br20")
        modbus_server(plc, {1: M340})
        modbus_server(wago, {1: WAGO})
        bacnet_device(delta, "10.20.0.110", DELTA)
        with lab.capture(parts[0], "--time-stamp-precision=nano", bridge="br10"), lab.capture(parts[1], bridge="br20"):
            polling = scada.client("modbus_client.py", "10.20.0.10", "identification,1,1,0", "repeat,3", "holding,1,0,20",
                                   "pause,0.3")
            bms.python("modbus_client.py", "10.20.0.10", "identification,1,1,0", "repeat,3", "registers,1,0,8", "pause,0.3")
            bms.python("bacnet_client.py", "10.20.0.50/24:47808", 1024, "who_is", "identity,10.20.0.110,240100")
            polling.wait(60)
    for part, number in zip(parts, (10, 20), strict=True):
        tag(part, number)
    subprocess.run(["mergecap", "-I", "none", "-w", path, *parts], check=True)
    for part in parts:
        part.unlink()
    return [path]


def tls_servers(host, folder, ports):
    host.serve("tls_server.py", json.dumps({"folder": folder, "ports": ports}))
    for port in ports:
        host.wait_for(port)


@case("tls/certificates")
def certificates(stem):
    """A device with a certificate for each fault."""
    path = stem.with_suffix(".pcap")
    faults = ["expired", "expiring", "self_signed", "weak_key", "weak_signature", "long_lived"]
    ports = {4431 + number: {"version": "1.2", "certificate": kind} for number, kind in enumerate(faults)}
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        device = lab.host("device", "00:80:f4:12:34:56", "10.20.0.10")
        client = lab.host("client", "00:14:22:aa:10:50", "10.20.0.50")
        tls_servers(device, folder, ports)
        with lab.capture(path):
            client.python("tls_client.py", "10.20.0.10", folder, *(f"{port},name=device.lab" for port in ports))
    return [path]


@case("tls/mutual")
def mutual(stem):
    """A server that asks clients for a certificate: one has it, one has none, one does not trust the server."""
    path = stem.with_suffix(".pcap")
    ports = {802: {"version": "1.2", "certificate": "good", "clients": True},
             443: {"version": "1.2", "certificate": "self_signed"}}
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        device = lab.host("device", "00:80:f4:12:34:56", "10.20.0.10")
        client = lab.host("client", "00:14:22:aa:10:50", "10.20.0.50")
        tls_servers(device, folder, ports)
        with lab.capture(path):
            client.python("tls_client.py", "10.20.0.10", folder, "802,with=client", "802", "443,trust=root")
    return [path]


@case("tls/versions")
def versions(stem):
    """Each version, a suite that nobody should use any more, and what a client says of itself by asking."""
    path = stem.with_suffix(".pcap")
    ports = {4431: {"version": "1.0", "certificate": "good"}, 4432: {"version": "1.1", "certificate": "good"},
             4433: {"version": "1.2", "certificate": "good", "alpn": ["http/1.1"]},
             4434: {"version": "1.3", "certificate": "good", "alpn": ["h2"]},
             4435: {"version": "1.2", "certificate": "weak_key", "ciphers": "NULL-SHA256:@SECLEVEL=0"},
             4436: {"version": "1.2", "certificate": "weak_key", "ciphers": "AECDH-AES128-SHA"}}
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        device = lab.host("device", "00:80:f4:12:34:56", "10.20.0.10")
        client = lab.host("client", "00:14:22:aa:10:50", "10.20.0.50")
        tls_servers(device, folder, ports)
        with lab.capture(path):
            client.python("tls_client.py", "10.20.0.10", folder, "4431", "4432", "4433,name=device.lab,alpn=h2+http/1.1",
                          "4434,name=device.lab,alpn=h2+http/1.1", "4435,ciphers=NULL-SHA256", "4436,ciphers=AECDH",
                          "4434,version=1.2")
    return [path]


@case("dtls/versions")
def datagram_versions(stem):
    """DTLS 1.2 and 1.0: a hello with a cookie, a chain in fragments, a client with a certificate of its own."""
    path = stem.with_suffix(".pcap")
    ports = {5684: "-dtls1_2 -listen -mtu 600 -Verify 2", 4433: "-dtls1 -cipher ALL:@SECLEVEL=0"}
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        device = lab.host("device", "00:80:f4:12:34:56", "10.20.0.10")
        client = lab.host("client", "00:14:22:aa:10:50", "10.20.0.50")
        tls_servers(device, folder, {4431: {"certificate": "good"}})

        def openssl(command, name, options, words="sleep 60"):
            """Whoever has nothing more to read says goodbye at once."""
            own = f"-cert {folder}/{name}.pem -cert_chain {folder}/{name}.pem"
            return ["sh", "-c", f"({words}) | openssl {command} -quiet {own} {options} >{folder}/said 2>&1"]

        for port, options in ports.items():
            device.start(*openssl("s_server", "good", f"-accept {port} {options}"))
            device.wait_for(port, "udp")
        with lab.capture(path):
            for port, options in {5684: "-dtls1_2 -mtu 600", 4433: "-dtls1 -cipher ALL:@SECLEVEL=0"}.items():
                address = f"-connect 10.20.0.10:{port} -servername device.lab"
                client.run(*openssl("s_client", "client", f"{address} {options}", "sleep 1; echo a line; sleep 1"), check=False)
    return [path]


@case("ssh/servers")
def servers(stem):
    """Two servers, asked by one client that nobody lets in."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        openssh = lab.host("openssh", "00:80:f4:12:34:56", "10.20.0.10")
        dropbear = lab.host("dropbear", "00:90:e8:11:22:33", "10.20.0.11")
        client = lab.host("client", "00:14:22:aa:10:50", "10.20.0.50")
        key = Path(folder) / "key"
        for program, form in [("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]),
                              ("dropbearkey", ["-t", "ed25519", "-f", key.with_suffix(".dropbear")])]:
            subprocess.run([program, *form], check=True, capture_output=True)
        Path("/run/sshd").mkdir(exist_ok=True)
        openssh.start("/usr/sbin/sshd", "-D", "-f", "/dev/null", "-h", key, "-o", "PasswordAuthentication=no")
        dropbear.start("dropbear", "-F", "-s", "-p", "2222", "-r", key.with_suffix(".dropbear"))
        openssh.wait_for(22)
        dropbear.wait_for(2222)
        with lab.capture(path):
            for port, host in [(22, "10.20.0.10"), (2222, "10.20.0.11")]:
                client.run("ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
                           "UserKnownHostsFile=/dev/null", "-p", str(port), f"nobody@{host}", "true", check=False, capture_output=True)
    return [path]


@case("lldp/neighbours")
def neighbours(stem):
    """Two devices tell who they are: one with a name and an address, one as its kernel describes it."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        switch = lab.host("switch", "00:90:e8:11:22:33", "10.20.0.2")
        plc = lab.host("plc", "00:80:f4:12:34:56", "10.20.0.10")
        Path(folder).chmod(0o777)  # its sockets are those of a user of its own
        with lab.capture(path, "ether proto 0x88cc"):
            for host, name, description in [(switch, "hall-3-switch", "Lab switch LS-8, firmware 2.4.1"), (plc, "press-7", "Lab PLC")]:
                socket = f"{folder}/{name}"
                host.start("lldpd", "-d", "-u", socket, "-I", "eth0", "-M", "4", "-i", "-S", description)
                time.sleep(1)
                host.run("lldpcli", "-u", socket, "configure", "system", "hostname", name)
            time.sleep(8)
    return [path]


@case("dhcp/lease")
def lease(stem):
    """A controller and a panel ask for addresses and get them; one gives its name and what it is."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        server = lab.host("server", "00:14:22:aa:10:01", "10.20.0.1")
        plc = lab.host("plc", "00:80:f4:12:34:56", "10.20.0.200")
        panel = lab.host("panel", "00:30:de:40:10:31", "10.20.0.201")
        server.start("dnsmasq", "-d", "-C", "/dev/null", "-p", "0", "-i", "eth0", "-F", "10.20.0.100,10.20.0.120,1h", "-l",
                     f"{folder}/leases", "--dhcp-authoritative")
        server.wait_for(67, "udp")
        with lab.capture(path):
            for host, *told in [(plc, "-x", "hostname:press-7", "-V", "LabPLC v3"), (panel, "-x", "hostname:panel-2")]:
                host.run("udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", "/bin/true", *told)
    return [path]


@case("formats")
def formats(folder):
    """One short session in every file format; the packets are the same in each."""
    folder.mkdir(exist_ok=True)
    nano = folder / "nanosecond.pcap"
    with Lab() as lab:
        plc = lab.host("plc", "00:30:de:40:10:31", "10.20.0.31")
        scada = lab.host("scada", "00:14:22:aa:10:50", "10.20.0.50")
        modbus_server(plc, {1: WAGO})
        with lab.capture(nano, "--time-stamp-precision=nano"):
            scada.python("modbus_client.py", "10.20.0.31", "identification,1,1,0", "repeat,8", "holding,1,0,20",
                         "write_register,1,5,1500", "pause,0.1")
    return [nano, *variants(nano)]


# What logs in: one who is refused, then a default, none, the user's own name and a strong password.
REFUSED = "admin:lab-wrong-0"
USERS = "admin:admin", "service:", "gate-west:gate-west", "viewer:lab-Secret-9x"


@case("ftp/logins")
def ftp_logins(stem):
    """Logins that are refused and accepted; files written, read and deleted."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        panel = lab.host("panel", "00:0c:26:20:10:37", "10.20.0.217")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        panel.serve("ftp_server.py", "10.20.0.217", "", *USERS)
        panel.wait_for(21)
        with lab.capture(path):
            laptop.python("ftp_client.py", "10.20.0.217", "clear", REFUSED, *USERS)
    return [path]


@case("ftp/tls")
def ftp_tls(stem):
    """The same server asked for TLS: the login is not readable any more."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        panel = lab.host("panel", "00:0c:26:20:10:37", "10.20.0.217")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        panel.serve("ftp_server.py", "10.20.0.217", own_certificate(folder), *USERS)
        panel.wait_for(21)
        with lab.capture(path):
            laptop.python("ftp_client.py", "10.20.0.217", "tls", REFUSED, USERS[0])
    return [path]


def own_certificate(folder):
    """A key and the certificate that it signs for itself, in one file."""
    path = Path(folder) / "own.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=Lab/CN=panel.lab", "-days", "365",
                    "-keyout", path.with_suffix(".key"), "-out", path.with_suffix(".crt")], check=True, capture_output=True)
    path.write_bytes(path.with_suffix(".key").read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def inetd(host, folder, *services):
    """Starts what listens for others: a port, a program, its words."""
    path = Path(folder) / "inetd.conf"
    path.write_text("".join(f"{port} stream tcp nowait root {program} {' '.join(map(str, words))}\n" for port, program, *words in services))
    host.start("inetutils-inetd", "-d", path)
    for port, *_ in services:
        host.wait_for(port)


@case("telnet/logins")
def telnet_logins(stem):
    """A switch and two controllers of other countries, at whose consoles somebody logs in key by key."""
    path = stem.with_suffix(".pcap")
    devices = [("switch", "00:90:e8:20:10:38", "10.20.0.218", 23, "english"), ("pump", "00:80:f4:20:10:39", "10.20.0.219", 2323, "german"),
               ("plc", "00:80:f4:20:10:40", "10.20.0.220", 23, "french")]
    prompts = {"english": ("login: ", "word: "), "german": ("name: ", "wort: "), "french": ("fiant: ", "passe: ")}
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        for name, mac, address, port, words in devices:
            own = Path(folder) / name
            own.mkdir()
            program = own / "login"
            program.write_text(f"#!/bin/sh\nexec /usr/bin/env python3 {HERE}/telnet_login.py {words} {' '.join(USERS)}\n")
            program.chmod(0o755)
            inetd(lab.host(name, mac, address), own, (port, "/usr/sbin/telnetd", "telnetd", "-h", "-E", program))
        with lab.capture(path):
            talk = lambda words, *users: [laptop.run("expect", HERE / "telnet_client.exp", address, port, *prompts[words], *users)
                                          for *_, address, port, its in devices if its == words]
            talk("english", REFUSED, USERS[0])
            for user in USERS[1:]:
                talk("english", user)
            talk("german", REFUSED, USERS[3])
            talk("french", REFUSED, USERS[3])
    return [path]


SNMP_AGENT = """
agentaddress udp:161
rwcommunity private
rocommunity public
rocommunity switch-3
rocommunity lab-Secret-9x
sysDescr Lab managed switch LS-8, firmware 2.4.1
sysObjectID 1.3.6.1.4.1.8691.7.6
sysLocation hall 3
sysName switch-3
createUser operator SHA lab-Secret-9x AES lab-Secret-8y
createUser viewer MD5 lab-Secret-9x
createUser guest
rwuser operator priv
rouser viewer auth
rouser guest noauth
engineIDType 3
engineIDNic eth0
"""


@case("snmp/communities")
def snmp_communities(stem):
    """A switch asked by SNMP v1 and v2c: communities that are defaults, guessable, strong and wrong; settings changed; a trap."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        switch, laptop = snmp_agent(lab, folder)
        system = [f"1.3.6.1.2.1.1.{number}.0" for number in (1, 2, 5, 6)]
        ask = lambda version, community, tool, *words: laptop.run(
            tool, "-v", version, "-c", community, "-t", "1", "-r", "0", *words, check=False, capture_output=True)
        with lab.capture(path):
            for version, community in ("1", "public"), ("2c", "public"), ("2c", "switch-3"), ("2c", "lab-Secret-9x"), ("2c", "lab-wrong-0"):
                ask(version, community, "snmpget", "10.20.0.221", *system)
            ask("2c", "public", "snmpbulkget", "10.20.0.221", "1.3.6.1.2.1.2.2.1.2")
            ask("2c", "public", "snmpget", "10.20.0.221", "1.3.6.1.4.1.1.1.0")
            ask("2c", "private", "snmpset", "10.20.0.221", "1.3.6.1.2.1.1.4.0", "s", "night shift")
            ask("2c", "public", "snmpset", "10.20.0.221", "1.3.6.1.2.1.1.4.0", "s", "nobody")
            switch.run("snmptrap", "-v", "2c", "-c", "public", "10.20.0.70", "", "1.3.6.1.6.3.1.1.5.1", capture_output=True)
            switch.run("snmptrap", "-v", "1", "-c", "public", "10.20.0.70", "1.3.6.1.4.1.8691.7.6", "10.20.0.221", "2", "0", "100",
                       capture_output=True)
    return [path]


@case("snmp/users")
def snmp_users(stem):
    """The same switch asked by SNMP v3: encrypted, signed, by nothing at all; a wrong password and an unknown user."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        _, laptop = snmp_agent(lab, folder)
        with lab.capture(path):
            for words in (["-u", "operator", "-l", "authPriv", "-a", "SHA", "-A", "lab-Secret-9x", "-x", "AES", "-X", "lab-Secret-8y"],
                          ["-u", "viewer", "-l", "authNoPriv", "-a", "MD5", "-A", "lab-Secret-9x"],
                          ["-u", "viewer", "-l", "authNoPriv", "-a", "MD5", "-A", "lab-wrong-0"],
                          ["-u", "guest", "-l", "noAuthNoPriv"], ["-u", "nobody", "-l", "noAuthNoPriv"]):
                laptop.run("snmpget", "-v", "3", *words, "-t", "1", "-r", "0", "10.20.0.221", "1.3.6.1.2.1.1.1.0", check=False,
                           capture_output=True)
    return [path]


def snmp_agent(lab, folder):
    switch = lab.host("switch", "00:90:e8:20:10:41", "10.20.0.221")
    laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
    path = Path(folder) / "snmpd.conf"
    path.write_text(SNMP_AGENT)
    switch.start("env", f"SNMP_PERSISTENT_DIR={folder}", "snmpd", "-f", "-C", "-c", path, "-Lf", Path(folder) / "log")
    switch.wait_for(161, "udp")
    return switch, laptop


@case("mqtt/logins")
def mqtt_logins(stem):
    """A broker that asks who it is and one that does not; MQTT 3.1, 3.1.1 and 5."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        guarded = lab.host("guarded", "00:0c:26:20:10:42", "10.20.0.222")
        open_ = lab.host("open", "00:0c:26:20:10:43", "10.20.0.223")
        gateway = lab.host("gateway", "00:90:e8:20:10:44", "10.20.0.224")
        passwords = Path(folder) / "passwords"
        passwords.write_text("".join(user + "\n" for user in USERS if not user.endswith(":")))
        subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
        passwords.chmod(0o644)
        for host, words in (guarded, f"allow_anonymous false\npassword_file {passwords}\n"), (open_, "allow_anonymous true\n"):
            config = Path(folder) / f"{host.namespace}.conf"
            config.write_text("listener 1883\n" + words)
            host.start("mosquitto", "-c", config)
            host.wait_for(1883)
        tell = lambda address, version, *words: gateway.run(
            "mosquitto_pub", "-h", address, "-V", version, "-i", "gateway-4", "-t", "plant/line-2/temperature", "-m", "41.5", *words,
            check=False, capture_output=True)
        login = lambda user: ["-u", user.partition(":")[0], "-P", user.partition(":")[2]]
        with lab.capture(path):
            for version in "mqttv31", "mqttv311", "mqttv5":
                tell("10.20.0.222", version, *login(REFUSED))
                tell("10.20.0.222", version, *login(USERS[0]))
            for user in USERS[2:]:
                tell("10.20.0.222", "mqttv311", *login(user))
            tell("10.20.0.222", "mqttv311")
            tell("10.20.0.223", "mqttv311", "--will-topic", "plant/line-2/gone", "--will-payload", "gateway-4", "-q", "1")
            tell("10.20.0.223", "mqttv5", "-r")
    return [path]


@case("vnc/screens")
def vnc_screens(stem):
    """Panels whose screens are shared: by default, guessable, strong, empty passwords, by none at all; one wrong password."""
    path = stem.with_suffix(".pcap")
    passwords = {"10.20.0.225": "beijer", "10.20.0.226": "panel-6", "10.20.0.227": "qX4-tz9w", "10.20.0.228": "", "10.20.0.229": None}
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        for number, (address, password) in enumerate(passwords.items(), 5):
            panel = lab.host(f"panel{number}", f"00:0c:26:20:10:4{number}", address)
            words = ["-SecurityTypes", "None"]
            if password is not None:
                file = Path(folder) / address
                file.write_bytes(obfuscated(password))
                words = ["-SecurityTypes", "VncAuth", "-PasswordFile", file]
            panel.start("Xvnc", f":{number}", "-rfbport", "5900", "-geometry", "32x32", "-depth", "16", "-desktop",
                        f"panel-{number}:1", "-BlacklistThreshold", "100", *words)
            panel.wait_for(5900)
        with lab.capture(path):
            for address, password in ("10.20.0.225", "lab-wro0"), *passwords.items():
                words = [] if password is None else ["-p", password]
                laptop.run(Path(sys.executable).parent / "vncdo", "-t", "3", "-s", f"{address}::5900", *words, "key", "a", check=False, capture_output=True)
    return [path]


def obfuscated(password):
    """As Xvnc wants to have it in a file: DES under a key that everybody knows."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in (23, 82, 107, 6, 35, 78, 88, 7))
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return encryptor.update(password.encode().ljust(8, b"\0"))


def mail(stem, *protocols):
    """Each user logs in by each way that the servers take, then once more within TLS."""
    path = stem.with_suffix(".pcap")
    users = REFUSED, USERS[0], USERS[2], USERS[3]
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        post = lab.host("post", "00:14:22:20:10:50", "10.20.0.230")
        report = lab.host("report", "00:14:22:20:10:51", "10.20.0.231")
        pump = lab.host("pump", "00:80:f4:20:10:52", "10.20.0.232")
        certificate = own_certificate(folder)
        Path(folder, "users").write_text("".join(user + "\n" for user in users[1:]))
        Path(folder, "mail").mkdir()
        shutil.chown(Path(folder, "mail"), "mail", "mail")
        config = Path(folder, "dovecot.conf")
        config.write_text((HERE / "dovecot.conf").read_text().replace("LAB_MAIL", folder))
        post.start("dovecot", "-F", "-c", config)
        report.serve("mail_server.py", "10.20.0.231", certificate, *users[1:])
        for host, port in (post, 110), (post, 143), (report, 25):
            host.wait_for(port)
        with lab.capture(path):
            pump.python("mail_client.py", "10.20.0.230", "10.20.0.231", ",".join(protocols), *users)
    return [path]


@case("smtp/logins")
def smtp_logins(stem):
    return mail(stem, "smtp")


@case("pop3/logins")
def pop3_logins(stem):
    return mail(stem, "pop3")


@case("imap/logins")
def imap_logins(stem):
    return mail(stem, "imap")


@case("ldap/binds")
def ldap_binds(stem):
    """A directory: simple binds that are refused and accepted, none, and one within TLS."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        directory = lab.host("directory", "00:14:22:20:10:53", "10.20.0.233")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        own_certificate(folder)
        config = Path(folder) / "slapd.conf"
        config.write_text(
            f"include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {folder}/pid\n"
            f"TLSCertificateFile {folder}/own.crt\nTLSCertificateKeyFile {folder}/own.key\nTLSCipherSuite NORMAL:-VERS-TLS1.3\n"
            f"database mdb\nsuffix dc=lab\nrootdn cn=root,dc=lab\nrootpw lab-Secret-9x\ndirectory {folder}\n")
        entries = "dn: dc=lab\nobjectClass: dcObject\nobjectClass: organization\no: lab\ndc: lab\n" + "".join(
            f"\ndn: cn={name},dc=lab\nobjectClass: person\ncn: {name}\nsn: {name}\nuserPassword: {password}\n"
            for name, _, password in (user.partition(":") for user in USERS) if password)
        subprocess.run(["/usr/sbin/slapadd", "-f", config], input=entries, text=True, check=True)
        directory.start("/usr/sbin/slapd", "-d", "0", "-f", config, "-h", "ldap://10.20.0.233/")
        directory.wait_for(389)
        ask = lambda *words: laptop.run("env", "LDAPTLS_REQCERT=never", "ldapsearch", "-H", "ldap://10.20.0.233", "-x", *words, "-b",
                                        "dc=lab", "-s", "base", "cn", check=False, capture_output=True)
        with lab.capture(path):
            for user in REFUSED, USERS[0], USERS[2], USERS[3]:
                name, _, password = user.partition(":")
                ask("-D", f"cn={name},dc=lab", "-w", password)
            ask()
            ask("-ZZ", "-D", "cn=root,dc=lab", "-w", "lab-Secret-9x")
    return [path]


@case("tftp/files")
def tftp_files(stem):
    """A file fetched, one written, one that is not there."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab:
        server = lab.host("server", "00:90:e8:20:10:54", "10.20.0.234")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        server.serve("tftp_talk.py", "serve", "10.20.0.234")
        server.wait_for(69, "udp")
        with lab.capture(path):
            laptop.python("tftp_talk.py", "ask", "10.20.0.234")
    return [path]


@case("rlogin/console")
def rlogin_console(stem):
    """Somebody comes by rlogin, whom the server does not know and turns away."""
    path = stem.with_suffix(".pcap")
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        server = lab.host("server", "00:90:e8:20:10:55", "10.20.0.235")
        laptop = lab.host("laptop", "3c:2c:30:11:10:70", "10.20.0.70")
        inetd(server, folder, (513, "/usr/sbin/in.rlogind", "in.rlogind"))
        with lab.capture(path):
            laptop.run("expect", "-c", 'log_user 0; set timeout 5; spawn rlogin -l operator 10.20.0.235; expect "assword:"; '
                       'send "lab-wrong-0\\r"; expect "ogin:"; sleep 1', check=False)
    return [path]
