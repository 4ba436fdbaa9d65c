#!/usr/bin/env python3
"""The shop's orders: GET /orders/ID, POST /orders with {"id": ID}, GET /-/ready.

An order that is taken is one line appended to --journal, which stands for the database: whoever reads
it can tell whether an order was executed twice. release.conf may break this release on purpose:
"smoke broken" answers order 1 wrongly, "errors N" fails one request in N.
"""
import itertools
import json
import os

from service import Handler, arguments, release, serve


class Orders(Handler):
    name = "orders"
    conf = {}
    journal = None
    count = itertools.count(1)

    def get(self, path):
        if not path.startswith("/orders/"):
            return None
        order = path[len("/orders/"):]
        if self.conf["smoke"] == "broken" and order == "1":
            return 500, {"error": "no price list"}
        return self.fails() or (200, {"id": order, "state": "sent", "checksum": self.checksum()})

    def post(self, path, body):
        if path != "/orders":
            return None
        try:
            order = str(json.loads(body)["id"])
        except (ValueError, KeyError, TypeError):
            return 400, {"error": "an order has an id"}
        failure = self.fails()
        if failure:
            return failure
        if self.journal is not None:
            os.write(self.journal, (order + "\n").encode())
        return 201, {"id": order, "state": "taken", "checksum": self.checksum(body)}

    def fails(self):
        errors = int(self.conf["errors"])
        if errors and next(self.count) % errors == 0:
            return 500, {"error": "division by zero"}
        return None


def main():
    args = arguments("orders", journal="file that every order taken is appended to")
    Orders.conf = release({"smoke": "ok", "errors": "0"})
    if args.journal:
        Orders.journal = os.open(args.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    serve(Orders, args)


if __name__ == "__main__":
    main()
