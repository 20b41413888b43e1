# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Certificates for receivers on 127.0.0.1 and for those who send to them, by openssl."""
import pathlib
import subprocess

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    def __init__(self, directory: pathlib.Path, name: str = "ca") -> None:
        self.directory, self.name = directory, name
        self.certificate = directory / f"{name}.crt"
        self.openssl("req", "-x509", *CURVE, "-keyout", f"{name}.key", "-out", f"{name}.crt",
                     "-days", "2", "-subj", f"/CN=authority {name}")
        self.extensions = directory / f"{name}.extensions"
        self.extensions.write_text("subjectAltName=IP:127.0.0.1\n")

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True,
                       capture_output=True)

    def issue(self, name: str, days: int = 2) -> tuple[pathlib.Path, pathlib.Path]:
        """Certificate and key; days below 0: one that has expired."""
        self.openssl("req", *CURVE, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                     f"/CN={name}")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.name}.crt", "-CAkey",
                     f"{self.name}.key", "-CAcreateserial", "-days", str(days), "-extfile",
                     self.extensions.name, "-out", f"{name}.crt")
        return self.directory / f"{name}.crt", self.directory / f"{name}.key"
