#!/usr/bin/env python3
"""The shop's checkout, of which there is only one instance: GET and POST /checkout/ID, GET /-/ready."""
from service import Handler, arguments, serve


class Checkout(Handler):
    name = "checkout"

    def get(self, path):
        return self.basket(path, "open", b"")

    def post(self, path, body):
        return self.basket(path, "paid", body)

    def basket(self, path, state, body):
        if not path.startswith("/checkout/"):
            return None
        basket = path[len("/checkout/"):]
        return 200, {"basket": basket, "state": state, "checksum": self.checksum(body)}


if __name__ == "__main__":
    serve(Checkout, arguments("checkout"))
