"""deploy/nginx/toril.conf in a real nginx on ports of this test's, with a certificate of its own."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import services
from tests.conftest import free_port

CONF = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "toril.conf"
AROUND = """
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/start.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/toril.conf;
}}
"""


class Nginx:
    """In front of two ports; below `/toril`, as the file has it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.plain_port = folder, free_port(), free_port()
        self.behind = (free_port(), free_port())
        self.address = f"https://localhost:{self.port}"
        self._certify()
        self._configure()

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "ops.example.com.crt"))

    def log(self, name: str = "toril.log") -> str:
        return (self.folder / name).read_text()

    def command(self, *more: str) -> list[str]:
        path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        program = path or services.missing("Debian's package nginx-light is not installed")
        return [program, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), *more]

    @contextmanager
    def running(self) -> Iterator[Nginx]:
        process = subprocess.Popen(self.command("-g", "daemon off;"), stderr=subprocess.PIPE)
        try:
            yield self
        finally:
            process.terminate()
            process.communicate(timeout=60)

    def _configure(self) -> None:
        text = re.sub(r"\n *listen \[::\].*", "", CONF.read_text())
        changes = {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "127.0.0.1:8001": f"127.0.0.1:{self.behind[0]}",
            "127.0.0.1:8002": f"127.0.0.1:{self.behind[1]}",
            "/etc/nginx/tls": str(self.folder),
            "/var/log/nginx": str(self.folder),
        }
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        (self.folder / "toril.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(AROUND.format(folder=self.folder, user=user))

    def _certify(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (self.folder / "ops.example.com.crt").write_bytes(made.public_bytes(pem))
        (self.folder / "ops.example.com.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
