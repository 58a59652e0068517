"""Certificates for tests, made by the openssl command: an authority, and those that it vouches for."""

import ssl
import subprocess


def openssl(*words, stdin=None):
    completed = subprocess.run(["openssl", *map(str, words)], input=stdin, capture_output=True, timeout=60, check=False)
    assert completed.returncode == 0, f"openssl {words}: {completed.stderr.decode()}"
    return completed.stdout


class Certificate:
    def __init__(self, chain, key):
        self.chain = chain
        self.key = key


class Authority:
    """Vouches for whoever it is asked to, in a folder of the test's."""

    def __init__(self, directory, name="authority"):
        self.directory = directory
        self.name = name
        self.file = directory / f"{name}.pem"
        self.key = directory / f"{name}.key"
        self.serial = 1
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", self.key, "-out", self.file),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def vouch(self, name, alternative=None, days=2, file=None, subject=None, serial=None):
        """A certificate of `name`; days below 0: one that has ended."""
        file = file or name.replace("/", "_")
        chain, key = self.directory / f"{file}.pem", self.directory / f"{file}.key"
        request = openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", subject or f"/CN={name}", "-keyout", key),
        )
        extensions = self.directory / f"{file}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n" if alternative else "basicConstraints=CA:FALSE\n")
        self.serial += 1
        if days <= 0:
            self._vouch_for_the_past(request, chain, extensions)
        else:
            openssl(
                *("x509", "-req", "-CA", self.file, "-CAkey", self.key, "-set_serial", serial or self.serial),
                *("-days", days, "-extfile", extensions, "-out", chain),
                stdin=request,
            )
        key.chmod(0o600)
        return Certificate(chain, key)

    def _vouch_for_the_past(self, request, chain, extensions):
        """`openssl x509` cannot; `openssl ca` keeps books."""
        books = self.directory / f"books-{self.name}"
        books.mkdir(exist_ok=True)
        (books / "index.txt").write_text("")
        (books / "request.pem").write_bytes(request)
        (books / "ca.conf").write_text(
            "[ca]\ndefault_ca=me\n[me]\n"
            f"database={books}/index.txt\nnew_certs_dir={books}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n"
            "[any]\ncommonName=supplied\n"
        )
        openssl(
            *("ca", "-batch", "-config", books / "ca.conf", "-cert", self.file, "-keyfile", self.key),
            *("-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-extfile", extensions),
            *("-in", books / "request.pem", "-out", chain, "-notext"),
        )

    def revoke(self, *certificates):
        """The list of those that are revoked."""
        books = self.directory / f"books-{self.name}"
        books.mkdir(exist_ok=True)
        (books / "index.txt").write_text("")
        (books / "ca.conf").write_text(
            f"[ca]\ndefault_ca=me\n[me]\ndatabase={books}/index.txt\ndefault_md=sha256\ndefault_crl_days=2\n"
        )
        ours = ("-config", books / "ca.conf", "-cert", self.file, "-keyfile", self.key)
        for certificate in certificates:
            openssl("ca", *ours, "-revoke", certificate.chain)
        listed = self.directory / f"{self.name}.crl"
        openssl("ca", *ours, "-gencrl", "-out", listed)
        return listed

    def client(self, certificate=None, oldest=None, newest=None):
        """What a client of those that it vouches for needs."""
        context = ssl.create_default_context(cafile=str(self.file))
        if certificate:
            context.load_cert_chain(str(certificate.chain), str(certificate.key))
        if oldest:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = oldest
        if newest:
            context.maximum_version = newest
        return context


def options(certificate, *more):
    """Those of a broker that listens with it, on free ports."""
    return [
        *("--amqps", "127.0.0.1:0", "--https", "127.0.0.1:0", "--http", "127.0.0.1:0"),
        *("--tls-certificate", str(certificate.chain), "--tls-key", str(certificate.key)),
        *map(str, more),
    ]
