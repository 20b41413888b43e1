# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""oci.py ROOT OUTPUT NAME:TAG ARCHITECTURE VERSION EPOCH: an image of a part of a root directory.

What goes in is listed here, not what stays out: the programs, the shared libraries they need (and
what these need), certificates, and the accounts. One layer; names sorted, times
and owners fixed, so the same root gives the same bytes. The archive is an OCI layout with the
manifest of `docker save` beside it.
"""
import gzip
import hashlib
import io
import json
import pathlib
import re
import subprocess
import sys
import tarfile

PROGRAMS = ["usr/sbin/podfenced", "usr/sbin/podfence-ship", "usr/bin/podfence", "usr/bin/install",
            "usr/bin/rm"]
LINKS = {"usr/bin/kubectl-podfence": "podfence", "bin": "usr/bin", "lib": "usr/lib",
         "lib64": "usr/lib64", "sbin": "usr/sbin", "var/run": "../run"}
NOTICES = ["usr/share/doc/podfence/copyright"]
IDENTITY = 9789  # of podfence-ship and of group podfence; the manifests say the same
FILES = {
    "etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\n"
                  f"podfence-ship:x:{IDENTITY}:{IDENTITY}::/var/lib/podfence/ship:"
                  "/usr/sbin/nologin\n",
    "etc/group": f"root:x:0:\npodfence:x:{IDENTITY}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
DIRECTORIES = {"tmp": 0o1777, "proc": 0o555, "sys": 0o555, "dev": 0o755, "run/podfence": 0o755,
               "var/lib/podfence": 0o711, "etc/podfence/policies.d": 0o755}
NEEDED = re.compile(r"\(NEEDED\)\s+Shared library: \[(.+)\]|program interpreter: /(.+)\]")


def real(root: pathlib.Path, path: str) -> pathlib.Path:
    """A file of the root by a path in it; links lead within it. What is in /usr/bin and /usr/lib
    may still stand in /bin and /lib."""
    at = pathlib.PurePosixPath()
    if not (root / path).exists() and not (root / path).is_symlink():
        path = path.removeprefix("usr/")
    for part in pathlib.PurePosixPath(path).parts:
        at = at / part
        for _ in range(8):
            if not (root / at).is_symlink():
                break
            target = (root / at).readlink()
            at = pathlib.PurePosixPath(str(target).lstrip("/")) if target.is_absolute() else \
                pathlib.PurePosixPath(*normal((at.parent / target).parts))
    return root / at


def normal(parts: tuple[str, ...]) -> list[str]:
    done: list[str] = []
    for part in parts:
        if part == "..":
            done.pop()
        else:
            done.append(part)
    return done


def libraries(root: pathlib.Path, programs: list[str]) -> dict[str, bytes]:
    """Every shared library of these programs, by the path it is looked for at."""
    homes = {str(path.parent.relative_to(root)) for path in root.rglob("libc.so.6")}
    places = sorted({f"usr/{home.removeprefix('usr/')}" for home in homes})
    found: dict[str, bytes] = {}
    todo = [real(root, program) for program in programs]
    while todo:
        path = todo.pop()
        said = subprocess.run(["readelf", "-dlW", str(path)], capture_output=True, text=True,
                              check=True).stdout
        for name, interpreter in NEEDED.findall(said):
            places_of_it = [interpreter] if interpreter else [f"{one}/{name}" for one in places]
            at = next((one for one in places_of_it if real(root, one).is_file()), None)
            if at is None:
                sys.exit(f"{path}: needs {name or interpreter}, which no package has brought")
            inside = at if at.startswith("usr/") else f"usr/{at}"
            if inside not in found:
                found[inside] = real(root, at).read_bytes()
                todo.append(real(root, at))
    return found


def certificates(root: pathlib.Path) -> bytes:
    parts = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    if not parts:
        sys.exit("no certificates in usr/share/ca-certificates")
    return b"".join(part.read_bytes() for part in parts)


def contents(root: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    files = {path: (0o755, real(root, path).read_bytes()) for path in PROGRAMS}
    files |= {path: (0o755, data) for path, data in libraries(root, PROGRAMS).items()}
    files |= {path: (0o644, text.encode()) for path, text in FILES.items()}
    files |= {path: (0o644, real(root, path).read_bytes()) for path in NOTICES}
    for name in ("podfence.yaml", "podfence-ship.yaml"):
        files[f"etc/podfence/{name}"] = (0o644, (root / "etc/podfence" / name).read_bytes())
    files["etc/ssl/certs/ca-certificates.crt"] = (0o644, certificates(root))
    return files


def layer(root: pathlib.Path, epoch: int) -> bytes:
    files = contents(root)
    directories = dict(DIRECTORIES)
    for path in [*files, *LINKS, *DIRECTORIES]:
        for parent in pathlib.PurePosixPath(path).parents:
            directories.setdefault(str(parent), 0o755)
    directories.pop(".")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted({*files, *LINKS, *directories}):
            info = tarfile.TarInfo(path)
            info.mtime = epoch
            data = b""
            if path in LINKS:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, LINKS[path], 0o777
            elif path in directories:
                info.type, info.mode = tarfile.DIRTYPE, directories[path]
            else:
                info.mode, data = files[path]
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def archive(output: pathlib.Path, plain: bytes, tag: str, architecture: str, version: str,
            epoch: int) -> None:
    packed = gzip.compress(plain, 9, mtime=0)
    config = json.dumps({
        "architecture": architecture, "os": "linux",
        "config": {"Cmd": ["/usr/sbin/podfenced"], "Env": ["PATH=/usr/sbin:/usr/bin"],
                   "Labels": {"org.opencontainers.image.title": "podfence",
                              "org.opencontainers.image.version": version,
                              "org.opencontainers.image.licenses": "GPL-2.0-or-later"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(plain)}"]},
    }, sort_keys=True).encode()
    kind = "application/vnd.oci.image"
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json",
        "config": {"mediaType": f"{kind}.config.v1+json", "digest": f"sha256:{digest(config)}",
                   "size": len(config)},
        "layers": [{"mediaType": f"{kind}.layer.v1.tar+gzip", "digest": f"sha256:{digest(packed)}",
                    "size": len(packed)}],
    }, sort_keys=True).encode()
    name = tag if "/" in tag else f"docker.io/library/{tag}"
    index = json.dumps({
        "schemaVersion": 2, "mediaType": f"{kind}.index.v1+json",
        "manifests": [{"mediaType": f"{kind}.manifest.v1+json", "size": len(manifest),
                       "digest": f"sha256:{digest(manifest)}",
                       "annotations": {"io.containerd.image.name": name,
                                       "org.opencontainers.image.ref.name": tag.split(":")[-1]}}],
    }, sort_keys=True).encode()
    blob = "blobs/sha256/"
    docker = json.dumps([{"Config": blob + digest(config), "RepoTags": [tag],
                          "Layers": [blob + digest(packed)]}]).encode()
    members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index,
               "manifest.json": docker}
    members |= {blob + digest(data): data for data in (config, manifest, packed)}
    with tarfile.open(output, "w", format=tarfile.GNU_FORMAT) as tar:
        for path, data in sorted(members.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mtime, info.mode = len(data), epoch, 0o644
            tar.addfile(info, io.BytesIO(data))
    print(f"{output}: {name}, {architecture}, {len(packed) >> 10} KiB packed, "
          f"{len(plain) >> 10} KiB unpacked, sha256:{digest(manifest)}")


def main() -> None:
    root, output, tag, architecture, version, epoch = sys.argv[1:]
    archive(pathlib.Path(output), layer(pathlib.Path(root), int(epoch)), tag, architecture, version,
            int(epoch))


main()
