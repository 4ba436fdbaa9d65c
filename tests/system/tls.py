"""Certificates that are made for one test, and clients that speak TLS."""
import datetime
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from http1 import Client

PEM = serialization.Encoding.PEM


SIGNS = x509.KeyUsage(key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
                      key_encipherment=False, data_encipherment=False, key_agreement=False,
                      encipher_only=False, decipher_only=False)


class Issued:
    """A certificate, its key, and the two files."""

    def __init__(self, folder, name, certificate, key):
        self.certificate, self.key = certificate, key
        self.name = name
        self.path = folder / f"{name}.pem"
        self.key_path = folder / f"{name}.key"
        self.write()

    def write(self):
        self.path.write_bytes(self.certificate.public_bytes(PEM))
        self.key_path.write_bytes(self.key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.key_path.chmod(0o600)

    @property
    def serial(self):
        return self.certificate.serial_number

    def files(self):
        """As it stands in a configuration."""
        return {"certificate": str(self.path), "key": str(self.key_path)}


class Authority:
    """Signs certificates; its own is at `path`."""

    def __init__(self, folder, name="authority"):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._build(self.name, self.key, 365, 1, [
            (x509.BasicConstraints(ca=True, path_length=None), True), (SIGNS, True)])
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self.certificate.public_bytes(PEM))

    def _build(self, subject, key, days, began_days_ago, extensions):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=began_days_ago))
                   .not_valid_after(now + datetime.timedelta(days=days)))
        # RFC 5280 4.2.1.1 and 4.2.1.2: newer verifiers insist on both.
        extensions = extensions + [
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)]
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name, *dns, uri=None, days=90, kind="ec", began_days_ago=1):
        """Writes FOLDER/name.pem and name.key; without dns and uri, `name` is the common name alone."""
        key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
        names = [x509.DNSName(one) for one in dns]
        names += [x509.UniformResourceIdentifier(uri)] if uri else []
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        extensions = [(x509.SubjectAlternativeName(names), False)] if names else []
        return Issued(self.folder, name, self._build(subject, key, days, began_days_ago, extensions), key)


def context(authority, own=None, version=None, alpn=None):
    """A client's context that trusts the authority; own: the Issued that it shows."""
    made = ssl.create_default_context(cafile=str(authority.path))
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if own:
        made.load_cert_chain(own.path, own.key_path)
    if version:
        made.minimum_version = made.maximum_version = version
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


class TlsClient(Client):
    """One TLS connection to the gateway."""

    def __init__(self, port, made, name="shop.example", session=None, **keywords):
        super().__init__(port, **keywords)
        try:
            # An end without close_notify is an error: somebody could have cut the connection.
            self.sock = made.wrap_socket(self.sock, server_hostname=name, session=session,
                                         suppress_ragged_eofs=False)
        except BaseException:
            self.sock.close()
            raise
        self.reader.sock = self.sock

    @property
    def serial(self):
        return int(x509.load_der_x509_certificate(self.sock.getpeercert(True)).serial_number)
