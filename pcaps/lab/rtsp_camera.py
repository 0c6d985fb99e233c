"""An RTSP camera on GStreamer's server: a moving picture of 160 by 120, five times a second.

Takes JSON: port, path, server (the Server header), login (none, basic, digest), realm, user, password, multicast (a
group's address), takes (true: it records what is sent to it). Runs in the system's Python, which has GStreamer.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=160,height=120,framerate=5/1"
    " ! x264enc tune=zerolatency bitrate=24 key-int-max=10 speed-preset=ultrafast"
    " ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
RECORDER = "( rtph264depay name=depay0 ! fakesink )"


def name_the_server(server, words):
    """Every response says what the camera calls itself; GStreamer's own word is taken out."""

    def send(_client, _session, message):
        message.remove_header(GstRtsp.RTSPHeaderField.SERVER, -1)
        message.add_header(GstRtsp.RTSPHeaderField.SERVER, words)

    server.connect("client-connected", lambda _server, client: client.connect("send-message", send))


def ask_for_login(server, settings):
    scheme = settings["login"]
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth.set_realm(settings["realm"])
    if scheme == "basic":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        basic = GstRtspServer.RTSPAuth.make_basic(settings["user"], settings["password"])
        auth.add_basic(basic, token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(settings["user"], settings["password"], token)
    server.set_auth(auth)


def main():
    settings = json.loads(sys.argv[1])
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_service(str(settings.get("port", 554)))
    factory = GstRtspServer.RTSPMediaFactory()
    if settings.get("takes"):
        factory.set_launch(RECORDER)
        factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
    else:
        factory.set_launch(PICTURE)
        factory.set_shared(True)
    if group := settings.get("multicast"):
        pool = GstRtspServer.RTSPAddressPool.new()
        pool.add_range(group, group, 5000, 5010, 16)
        factory.set_address_pool(pool)
        factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP_MCAST)
    if settings.get("login", "none") != "none":
        ask_for_login(server, settings)
        factory.add_role_from_structure(Gst.Structure.from_string(
            "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true")[0])
    if words := settings.get("server"):
        name_the_server(server, words)
    server.get_mount_points().add_factory(settings["path"], factory)
    server.attach(None)
    GLib.MainLoop().run()


main()
