"""A name server on loopback UDP that says what the test has scripted."""
import ipaddress
import socket
import struct
import threading


class NameServer:
    """`names` maps a name to its IPv4 addresses; it may be changed at any time.

    Of other names it says that there is no such one; while `failing` it says that it has failed.
    """

    def __init__(self, **names):
        self.names = {name.replace("_", "."): addresses for name, addresses in names.items()}
        self.failing = False
        self.asked = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            packet, peer = self.socket.recvfrom(512)
            if not packet:  # close() says so
                return
            self.asked += 1
            self.socket.sendto(self._answer(packet), peer)

    def _answer(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii").lower())
            at += 1 + packet[at]
        question = packet[12:at + 5]
        kind = struct.unpack_from("!H", packet, at + 1)[0]
        addresses = self.names.get(".".join(labels))
        code = 2 if self.failing else 3 if addresses is None else 0
        records = [b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + ipaddress.ip_address(address).packed
                   for address in (addresses or []) if kind == 1 and code == 0]
        head = packet[:2] + struct.pack("!HHHHH", 0x8480 | code, 1, len(records), 0, 0)
        return head + question + b"".join(records)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.socket.getsockname())
        self.thread.join(10)
        self.socket.close()
