"""A certificate authority made for the run, and certificates of localhost from it."""
import subprocess

from . import system


def _openssl(folder, *arguments):
    subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)


class Authority:
    """`ca` is the file that clients trust; localhost() makes a key and a certificate in one file."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = folder / "ca.crt"
        _openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
                 "-subj", "/CN=pgcairn tests", "-keyout", "ca.key", "-out", "ca.crt")
        self.ca.chmod(0o644)

    def localhost(self):
        system.write(self.folder / "names", "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1\n")
        _openssl(self.folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                 "-keyout", "server.key", "-out", "server.csr")
        _openssl(self.folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                 "-days", 2, "-extfile", "names", "-out", "server.crt")
        both = (self.folder / "server.key").read_text() + (self.folder / "server.crt").read_text()
        return system.write(self.folder / "server.pem", both, 0o600)
