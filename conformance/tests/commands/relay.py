# A small relay for the test of `new-implementation`. It reads the configuration that the scaffold
# renders, and passes every request on to the server that the path names.
import http.client, http.server, json, sys
from urllib.parse import urlsplit

with open(sys.argv[1]) as file:
    CONFIG = json.load(file)
SERVERS = {"/mcp/" + server["name"]: server["url"] for server in CONFIG["servers"]}


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def relay(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        url = urlsplit(SERVERS.get(self.path, ""))
        if not url.hostname:
            return self.answer(200 if self.path == "/healthz" else 404)
        upstream = http.client.HTTPConnection(url.hostname, url.port, timeout=5)
        fields = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        try:
            upstream.request(self.command, url.path, body, fields)
            reply = upstream.getresponse()
            self.answer(reply.status, reply.read(), reply.getheaders())
        except OSError:
            self.answer(502)

    def answer(self, status, body=b"", fields=()):
        self.send_response(status)
        for name, value in fields:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = relay

    def log_message(self, *_):
        pass


address = ("127.0.0.1", int(CONFIG["listen"].rpartition(":")[2]))
http.server.ThreadingHTTPServer(address, Relay).serve_forever()
