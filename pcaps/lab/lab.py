"""Network namespaces on one bridge, and tcpdump on the bridge: every frame once, as a SPAN port shows it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
PREFIX = os.environ.get("LAB_PREFIX", "otolab-")  # two recordings at once need one each


def decode_options(path):
    """What tshark has to be told to decode a capture on another port."""
    for line in (HERE / "decode.tsv").read_text(encoding="ascii").splitlines():
        name, options = line.split("\t")
        if path.resolve() == (HERE.parent / name).resolve():
            return options.split()
    return []


def call(command, **options):
    return subprocess.run(command.split(), check=True, **options)


class Host:
    """A namespace with one address on the bridge."""

    def __init__(self, lab, name):
        self.lab, self.namespace = lab, PREFIX + name

    def command(self, *arguments):
        return ["ip", "netns", "exec", self.namespace, *map(str, arguments)]

    def start(self, *arguments):
        """Starts a server; the lab ends it."""
        server = subprocess.Popen(self.command(*arguments), stdin=subprocess.DEVNULL)
        self.lab.servers.append(server)
        return server

    def run(self, *arguments, check=True, **options):
        """Runs a client to its end."""
        return subprocess.run(self.command(*arguments), check=check, timeout=120, **options)

    def python(self, script, *arguments):
        return self.run(sys.executable, HERE / script, *arguments)

    def serve(self, script, *arguments):
        return self.start(sys.executable, HERE / script, *arguments)

    client = serve  # a client that works beside others; wait for it

    def wait_for(self, port, kind="tcp", seconds=20):
        """Waits until something listens, without sending a packet."""
        flags = "-Hltn" if kind == "tcp" else "-Hlun"
        for _ in range(seconds * 10):
            sockets = self.run("ss", flags, capture_output=True, text=True).stdout
            if any(line.split()[3].endswith(f":{port}") for line in sockets.splitlines()):
                return
            time.sleep(0.1)
        raise TimeoutError(f"nothing listens on {kind} {port} in {self.namespace}")


def clear():
    """Removes what an interrupted run left."""
    for namespace in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split():
        if namespace.startswith(PREFIX):
            pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True).stdout
            for pid in pids.split():
                os.kill(int(pid), signal.SIGTERM)
            call(f"ip netns del {namespace}")


class Lab:
    def __init__(self, *bridges):
        self.bridges = bridges or ("br0",)
        self.namespaces, self.servers, self.ports = [], [], 0

    def __enter__(self):
        clear()
        self.add_namespace("lan")
        for bridge in self.bridges:
            # LLDP passes a bridge only when asked to.
            call(f"ip -n {PREFIX}lan link add {bridge} type bridge stp_state 0 mcast_snooping 0 group_fwd_mask 0x4000")
            call(f"ip -n {PREFIX}lan link set {bridge} up")
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
        for namespace in reversed(self.namespaces):
            subprocess.run(["ip", "netns", "del", namespace], check=False)

    def add_namespace(self, name):
        namespace = PREFIX + name
        call(f"ip netns add {namespace}")
        self.namespaces.append(namespace)
        # Without this, every capture begins with neighbour and multicast discovery.
        call(f"ip netns exec {namespace} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
        call(f"ip -n {namespace} link set lo up")
        return namespace

    def host(self, name, mac, address, bridge="br0", gateway=None):
        namespace = self.add_namespace(name)
        self.plug(namespace, "eth0", mac, address, bridge)
        if gateway:
            call(f"ip -n {namespace} route add default via {gateway}")
        return Host(self, name)

    def router(self, name, *ends):
        """A host between bridges; each end is a MAC, an address and a bridge."""
        namespace = self.add_namespace(name)
        for number, end in enumerate(ends):
            self.plug(namespace, f"eth{number}", *end)
        call(f"ip netns exec {namespace} sysctl -qw net.ipv4.ip_forward=1")

    def plug(self, namespace, interface, mac, address, bridge):
        self.ports += 1
        port = f"v{self.ports}"
        call(f"ip -n {PREFIX}lan link add {port} type veth peer name {interface} netns {namespace}")
        call(f"ip -n {namespace} link set {interface} address {mac}")
        # Offloads leave wrong checksums and frames over the MTU in a capture.
        call(f"ip netns exec {namespace} ethtool -K {interface} tx off tso off gso off gro off", stdout=subprocess.DEVNULL)
        call(f"ip -n {namespace} addr add {address}/24 brd + dev {interface}")
        call(f"ip -n {namespace} link set {interface} up")
        call(f"ip -n {PREFIX}lan link set {port} master {bridge}")
        call(f"ip -n {PREFIX}lan link set {port} up")

    @contextmanager
    def capture(self, path, *options, bridge="br0"):
        """Records a bridge into `path` while the block runs."""
        path.parent.mkdir(parents=True, exist_ok=True)
        dump = subprocess.Popen(
            ["ip", "netns", "exec", f"{PREFIX}lan", "tcpdump", "-i", bridge, "-U", "-s", "0", "-Z", "root",
             "-w", str(path), *options], stderr=subprocess.PIPE, text=True)
        for line in dump.stderr:
            if "listening on" in line:
                break
        try:
            yield
            time.sleep(1)  # the last answers and acknowledgements
        finally:
            dump.send_signal(signal.SIGINT)
            dump.wait(10)
