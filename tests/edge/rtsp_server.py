"""A network camera: an RTSP server of GStreamer, run by the system's Python.

`rtsp_server.py PORT` serves rtsp://127.0.0.1:PORT/cam, H.264, 320 x 240, 25 frames/s, all red.
Needs python3-gi, gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-base, -good and -ugly.
"""

import sys

import gi  # type: ignore[import-not-found]  # the system's, not the environment's

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

PIPELINE = (
    "( videotestsrc is-live=true pattern=red ! "
    "video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 )"
)

Gst.init(None)
if any(Gst.ElementFactory.find(name) is None for name in ("videotestsrc", "x264enc", "rtph264pay")):
    sys.exit(3)
server, factory = GstRtspServer.RTSPServer(), GstRtspServer.RTSPMediaFactory()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory.set_launch(PIPELINE)
factory.set_shared(True)
server.get_mount_points().add_factory("/cam", factory)
if not server.attach(None):
    sys.exit(4)
sys.stdout.write("ready\n")
sys.stdout.flush()
GLib.MainLoop().run()
