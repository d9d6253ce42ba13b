#!/usr/bin/env python3
"""Writes where fuzzing starts: corpus/TARGET/*, small files in each format, made from the description of the format alone.

    fuzz/seeds.py [CORPUS]
"""

import gzip
import hashlib
import io
import json
import pickle
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path


def main() -> None:
    corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus"
    targets = {"tree": trees(), "pack": packs(), "recipe": recipes(), "lock": locks(), "infer": requests(), "tensor": tensors()}
    targets |= {"pickle": pickles(), "bundle": bundles()}
    for target, seeds in targets.items():
        directory = corpus / target
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            (directory / name).write_bytes(content)


def pickles() -> dict[str, bytes]:
    class Call:
        def __reduce__(self):
            return len, ("a",)

    call = [pickle.dumps([Call(), 1.5, b"bytes", {"a": (1, 2, 3)}], protocol=protocol) for protocol in range(6)]
    # An array of joblib's: the wrapper, its fields, and three numbers of eight bytes behind it.
    array = (
        b"\x80\x04\x8c\x12joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81}(\x8c\x05shapeK\x03\x85\x8c\x05dtype"
        b"\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x89\x88\x87Rub" + bytes(24) + b"."
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("model/data.pkl", call[2])
        file.writestr("model/data/0", bytes(64), zipfile.ZIP_DEFLATED)
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    seeds = {f"protocol-{protocol}": content for protocol, content in enumerate(call)}
    return seeds | {
        "twice": call[4] + call[4],
        "within": pickle.dumps({"weights": call[4]}),
        "array": array,
        "zlib": zlib.compress(call[4]),
        "gzip": gzip.compress(call[4], mtime=0),
        "torch": archive.getvalue(),
        "numpy": b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + call[3],
    }


def bundles() -> dict[str, bytes]:
    """A bundle of one weight file, as docs/BUNDLES.md describes it, and what is wrong with others."""

    def tar(files: list[tuple[str, bytes]], **fields: object) -> bytes:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, body in files:
                entry = tarfile.TarInfo(name)
                entry.size = len(body)
                for field, value in fields.items():
                    setattr(entry, field, value)
                archive.addfile(entry, io.BytesIO(body))
        return content.getvalue()

    def named(kind: str, content: bytes, path: str = "") -> dict[str, object]:
        place = {"annotations": {"org.cncf.model.filepath": path}} if path else {}
        return {"mediaType": kind, "digest": "sha256:" + sha256(content).hex(), "size": len(content), **place}

    model, oci = "application/vnd.cncf.model.", "application/vnd.oci.image."
    weights = b"weights"
    file = {"path": "model/a", "digest": "sha256:" + sha256(weights).hex(), "size": 7, "executable": False}
    lineage = {"run": None, "step": None, "commit": None, "params": {}, "metrics": {}, "data": [], "environment": None}
    description = {"format": 1, "model": {"name": "m", "version": 1, "description": None}, "serve": None, "signature": None}
    description |= {"runtimes": [], "lineage": lineage, "smoke": None, "files": [file]}
    layer = tar([("mlx.bundle.json", json.dumps(description).encode())])
    config = json.dumps({"descriptor": {}, "config": {}, "modelfs": {"type": "layers", "diffIds": []}}).encode()
    layers = [named(model + "weight.v1.raw", weights, "model/a"), named(model + "doc.v1.tar", layer, "mlx.bundle.json")]
    kind = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "artifactType": model + "manifest.v1+json"}
    manifest = json.dumps(kind | {"config": named(model + "config.v1+json", config), "layers": layers}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [named(oci + "manifest.v1+json", manifest)]}).encode()
    blobs = [(f"blobs/sha256/{sha256(blob).hex()}", blob) for blob in (manifest, config, weights, layer)]
    files = [("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", index), *blobs]
    good = tar(files)
    return {
        "good": good,
        "cut": good[:-2048],
        "parent": tar([*files, ("../evil", b"x")]),
        "long": tar([*files, ("n" * 300, b"x")]),
        "link": tar(files, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "damaged": good.replace(b"weights", b"WEIGHTS"),
    }


def requests() -> dict[str, bytes]:
    def tensor(more: str) -> bytes:
        return b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", %s}]}' % more.encode()

    binary = tensor('"parameters": {"binary_data_size": 8}')
    several = b'{"inputs": [{"data": [4], "shape": [1, 1], "datatype": "INT8", "name": "age"}, {"name": "town", "shape": [1], "datatype": "BYTES", "data": ["Ulm"]}], "outputs": [{"name": "y", "parameters": {"binary_data": true}}], "id": "7", "parameters": {"binary_data_output": true}}'
    return {
        "flat": tensor('"data": [1, null]'),
        "nested": tensor('"data": [[1, 2.5e-3]]'),
        "several": several,
        "binary": len(binary).to_bytes(2, "little") + binary + bytes(8),
        "split": b'{"dataframe_split": {"columns": ["b", "a"], "data": [[1, 2], [3, null]]}, "params": {"top": 3}}',
        "records": b'{"dataframe_records": [{"town": "Ulm", "age": 3}, {"age": 4, "town": ""}]}',
        "instances": b'{"instances": [{"x": [1, 2]}, {"x": [3, 4]}]}',
        "inputs": b'{"inputs": {"a": [1, 2], "b": [3, 4]}}',
        "csv": b"town,a,b,age\nUlm,1,2.5,3\n,,1e3,4\n",
        "rows": b"[[1, 2], [3, 4]]",
    }


def tensors() -> dict[str, bytes]:
    strings = b"".join(len(text).to_bytes(4, "little") + text for text in (b"Ulm", b"", b"\xff"))
    seeds = {str(datatype): bytes([datatype, 2]) + bytes(range(16)) for datatype in range(12)}
    return seeds | {"bool": bytes([0, 2, 0, 1]), "bytes": bytes([12, 3]) + strings, "cut": bytes([12, 1, 9, 0])}


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def trees() -> dict[str, bytes]:
    header, digest = b"mlx tree 1\n", sha256(b"").hex().encode()
    entries = {
        "empty": [],
        "file": [b"f 0 %s a" % digest],
        "kinds": [b"d 30 2 %s d" % digest, b"f 10 %s f" % digest, b"l 3 %s l" % digest, b"x 10 %s x" % digest],
        "names": [b"f 1 %s \n" % digest, b"f 1 %s ..." % digest, b"f 1 %s \xc3\xa9 \xff" % digest],
        "sizes": [b"d %d %d %s a" % (2**64 - 1, 2**64 - 1, digest), b"f %d %s b" % (2**64 - 1, digest)],
        "parent": [b"f 0 %s .." % digest],
        "unsorted": [b"f 0 %s b" % digest, b"f 0 %s a" % digest],
        "zeros": [b"f 00 %s a" % digest],
    }
    seeds = {name: header + b"".join(entry + b"\0" for entry in body) for name, body in entries.items()}
    return seeds | {"cut": seeds["kinds"][:-9], "version": b"mlx tree 2\n"}


def number(value: int) -> bytes:
    return value.to_bytes(8, "little")


def pack(objects: list[tuple[bytes, bytes, int, int]], mark: bytes = b"mlx pack index 2") -> bytes:
    """The pack of objects given as digest, stored bytes, size and kind."""
    body, index = b"mlx pack 2\n", []
    for digest, stored, size, kind in objects:
        rest = number(len(stored)) + number(size) + number(kind)
        body += digest + rest
        index.append(digest + number(len(body)) + rest)
        body += stored
    entries = b"".join(sorted(index))
    return body + entries + number(len(body)) + number(len(index)) + sha256(entries) + mark


def raw(content: bytes) -> tuple[bytes, bytes, int, int]:
    return sha256(content), content, len(content), 0


def zstd(content: bytes, repeated: bool = False) -> tuple[bytes, bytes, int, int]:
    """One frame of one block, stored as it is or as one byte and how often it comes."""
    block = (len(content) << 3 | repeated << 1 | 1).to_bytes(3, "little")
    frame = b"\x28\xb5\x2f\xfd\x20" + bytes([len(content)]) + block + (content[:1] if repeated else content)
    return sha256(content), frame, len(content), 1


def recipe_object(chunks: list[bytes]) -> tuple[bytes, bytes, int, int]:
    whole = b"".join(chunks)
    return sha256(whole), recipe([(sha256(chunk), len(chunk)) for chunk in chunks]), len(whole), 2


def packs() -> dict[str, bytes]:
    good = pack([raw(b"one"), zstd(b"two" * 20), zstd(b"\0" * 200, repeated=True), recipe_object([b"a" * 9, b"b" * 9])])
    digest, stored, size, kind = zstd(b"\0" * 99, repeated=True)
    return {
        "empty": pack([]),
        "nothing": pack([raw(b"")]),
        "two": pack([raw(b"one"), raw(b"two")]),
        "kinds": good,
        "twice": pack([raw(b""), raw(b"")]),
        "cut": good[:-1],
        "headless": good[20:],
        "too-large": pack([(digest, stored, 2**63, kind)]),
        "smaller": pack([(digest, stored, size - 1, kind)]),
        "unknown-kind": pack([(digest, stored, size, 9)]),
        "wrong": pack([(digest, b"x", 1, 0)]),
        "version": pack([raw(b"one")], mark=b"mlx pack index 3"),
        "contents": b"\0".join([b"a" * 300, b"a line of text\n" * 20, bytes(range(1, 256)), b""]),
    }


def recipe(chunks: list[tuple[bytes, int]]) -> bytes:
    body = b"mlx recipe 1\n" + b"".join(digest + number(size) for digest, size in chunks)
    return body + sha256(body)


def recipes() -> dict[str, bytes]:
    digest = sha256(b"chunk")
    good = recipe([(digest, 65536), (sha256(b"another"), 1), (digest, 16 << 20)])
    return {
        "empty": recipe([]),
        "three": good,
        "nothing": recipe([(digest, 0)]),
        "too-long": recipe([(digest, (16 << 20) + 1)]),
        "cut": good[:-40],
        "flipped": good[:20] + bytes([good[20] ^ 1]) + good[21:],
        "version": b"mlx recipe 2\n",
    }


def locks() -> dict[str, bytes]:
    digest = "sha256:" + sha256(b"").hex()

    def path(name: str, size: int = 0, kind: str = "file") -> str:
        return f'\n[path."{name}"]\nkind = "{kind}"\ndigest = "{digest}"\nsize = {size}\nfiles = 1\n'

    def step(name: str, cmd: str = "true", params: str = "") -> str:
        def list_of(word: str, where: str) -> str:
            entry = f'{{ path = "{where}", kind = "file", digest = "{digest}", size = 1, files = 1 }}'
            return f"{word} = [\n  {entry},\n]\n"

        head = f'\n[step."{name}"]\nkey = "{digest}"\ncmd = "{cmd}"\nenvironment = "{digest}"\n'
        values = f'\n[step."{name}".params]\n{params}\n' if params else ""
        return head + list_of("deps", "a") + list_of("outs", "out/b") + values

    head = "version = 1\n"
    base = head + path("data/a")
    params = "\n".join(['"lr" = "0.1"', '"x y" = "null"', '"many" = "[1, {\\"a\\": 1e30}]"'])
    versions = {
        "empty": head,
        "path": base,
        "kinds": head + path("a", kind="executable") + path("b", 9, "directory") + path("c/é \\u0001 d", 2**62),
        "step": head + step("train", "python \\\"x\\\" \\n \\\\", params),
        "bare": f'version = 1\n[path.a]\nkind = "file"\ndigest = "{digest}"\nsize = 0\nfiles = 1\n',
        "conflict": base + "<<<<<<< ours\n",
        "version": "version = 2\n",
        "merge": "\n%%\n".join([base, base + path("data/b"), head + path("data/a", 7)]),
        "merge-clash": "\n%%\n".join([base, head + path("data/a", 8), head + path("data/a", 7) + step("train")]),
        "merge-within": "\n%%\n".join([head, head + path("data/a"), head + path("data", 7, "directory")]),
        "merge-torn": "\n%%\n".join([base, base[:-20], base]),
    }
    return {name: text.encode() for name, text in versions.items()}


if __name__ == "__main__":
    main()
