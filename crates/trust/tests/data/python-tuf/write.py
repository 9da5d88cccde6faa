"""Writes the TUF repositories beside this file, with python-tuf as the builder.

    python3 -m venv V && V/bin/pip install tuf==7.0.0 securesystemslib==1.4.0 cryptography==50.0.2
    V/bin/python write.py

Each folder is a repository as a mirror serves it. The tests need neither Python nor this script. The keys are new in
each run and kept nowhere; so is everything that they sign. Each repository is read with python-tuf's own client before
the script ends.
"""

import base64
import hashlib
import json
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote, urlparse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import (
    DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp,
)
from tuf.api.serialization.json import JSONSerializer
from tuf.ngclient import FetcherInterface, Updater

HERE = Path(__file__).parent
EXPIRES = datetime(2027, 6, 30, tzinfo=timezone.utc)
TARGET = "trusted_root.json"
ECDSA, ED25519 = CryptoSigner.generate_ecdsa, CryptoSigner.generate_ed25519


def rsa(scheme="rsassa-pss-sha256"):
    return CryptoSigner.generate_rsa(scheme=scheme)


def certificate():
    """Returns a self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "python-tuf")])
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(3650))
    return builder.add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())


def public_key(encoding):
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def trusted_root(name):
    """Returns a Sigstore trusted root with a certificate authority and a transparency log."""
    chain = base64.b64encode(certificate().public_bytes(serialization.Encoding.DER)).decode()
    key = public_key(serialization.Encoding.DER)
    start = {"start": "2026-01-01T00:00:00Z"}
    log = {
        "baseUrl": f"https://rekor.{name}.test",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": base64.b64encode(key).decode(),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": start,
        },
        "logId": {"keyId": base64.b64encode(hashlib.sha256(key).digest()).decode()},
    }
    authority = {
        "subject": {"organization": "example.test", "commonName": "python-tuf"},
        "uri": f"https://fulcio.{name}.test",
        "certChain": {"certificates": [{"rawBytes": chain}]},
        "validFor": start,
    }
    kind = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
    document = {"mediaType": kind, "tlogs": [log], "certificateAuthorities": [authority]}
    return json.dumps(document, separators=(",", ":")).encode()


class Repository:
    """A repository whose top-level roles have one new key each, of the kinds given."""

    def __init__(self, name, kinds=(ECDSA, ECDSA, ECDSA, ECDSA), consistent=True, version=1):
        self.folder = HERE / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.signers = {role: [kind()] for role, kind in zip(("root", "timestamp", "snapshot", "targets"), kinds)}
        self.root = Root(expires=EXPIRES, consistent_snapshot=consistent)
        self.targets = Targets(version=version, expires=EXPIRES)
        self.delegated = {}
        self.version = version
        for role, signers in self.signers.items():
            for signer in signers:
                self.root.add_key(signer.public_key, role)

    def write(self, role, signed, signers, name=None):
        document = Metadata(signed)
        for signer in signers:
            document.sign(signer, append=True)
        data = document.to_bytes(JSONSerializer())
        name = quote(name or role, "")
        plain = role == "timestamp" or (role != "root" and not self.root.consistent_snapshot)
        (self.folder / (f"{name}.json" if plain else f"{signed.version}.{name}.json")).write_bytes(data)
        return data

    def write_root(self, also=()):
        """Signs the root with its own keys, and with those of the one before it."""
        self.write("root", self.root, [*self.signers["root"], *also])

    def rotate(self, role, signers, threshold=1):
        """Puts a role's keys in the place of those that it had, which are returned."""
        before = self.signers[role]
        for signer in before:
            self.root.revoke_key(signer.public_key.keyid, role)
        for signer in signers:
            self.root.add_key(signer.public_key, role)
        self.root.roles[role].threshold = threshold
        self.signers[role] = signers
        return before

    def add(self, path, data, targets=None, custom=None):
        """Lists a target, and puts it where a mirror has it."""
        found = TargetFile.from_data(path, data, ["sha256", "sha512"])
        if custom:
            found.unrecognized_fields["custom"] = custom
        (targets or self.targets).targets[path] = found
        hashed = found.get_prefixed_paths()[0] if self.root.consistent_snapshot else path
        file = self.folder / "targets" / hashed
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def delegate(self, name, parent=None, paths=None, prefixes=None, terminating=False, kind=ED25519):
        """Returns the targets of a new role that `parent` delegates to, after those before it."""
        signer, parent = kind(), parent or self.targets
        if parent.delegations is None:
            parent.delegations = Delegations({}, {})
        role = DelegatedRole(name, [], 1, terminating, paths, prefixes)
        parent.delegations.roles[name] = role
        parent.add_key(signer.public_key, name)
        self.delegated[name] = (Targets(version=self.version, expires=EXPIRES), [signer])
        return self.delegated[name][0]

    def publish(self):
        """Writes everything but the roots."""
        meta = {"targets.json": self.targets}
        self.write("targets", self.targets, self.signers["targets"])
        for name, (targets, signers) in self.delegated.items():
            meta[f"{name}.json"] = targets
            self.write("delegated", targets, signers, name)
        meta = {name: MetaFile(targets.version) for name, targets in meta.items()}
        snapshot = self.write(
            "snapshot", Snapshot(self.version, expires=EXPIRES, meta=meta), self.signers["snapshot"])
        listed = MetaFile.from_data(self.version, snapshot, ["sha256"])
        self.write(
            "timestamp", Timestamp(self.version, expires=EXPIRES, snapshot_meta=listed), self.signers["timestamp"])


class Folder(FetcherInterface):
    """Serves a repository to python-tuf's client."""

    def __init__(self, folder):
        self.folder = folder

    def _fetch(self, url):
        path = self.folder / urlparse(url).path.removeprefix("/")
        if not path.is_file():
            raise DownloadHTTPError("absent", 404)
        return iter([path.read_bytes()])


def read(repository, target=TARGET, found=True):
    """Reads a target from each root with python-tuf's client."""
    for root in sorted(repository.folder.glob("*.root.json")):
        with tempfile.TemporaryDirectory() as cache:
            url, fetcher = "http://repository", Folder(repository.folder)
            updater = Updater(
                cache, url, cache, f"{url}/targets", fetcher=fetcher, bootstrap=root.read_bytes())
            updater.config.prefix_targets_with_hash = repository.root.consistent_snapshot
            info = updater.get_targetinfo(target)
            assert (info is not None) == found, (repository.folder.name, root.name, target)
            if info:
                updater.download_target(info)


def main():
    for name, consistent in (("consistent", True), ("unversioned", False)):
        one = Repository(name, consistent=consistent)
        one.add(TARGET, trusted_root(name))
        one.write_root()
        one.publish()
        read(one)

    # Every kind of key that python-tuf signs with, and all of them for targets.
    one = Repository("key-kinds", (rsa, ED25519, lambda: rsa("rsassa-pss-sha512"), ECDSA))
    one.rotate("targets", [ECDSA(), ED25519(), rsa()], threshold=3)
    one.add(TARGET, trusted_root("key-kinds"))
    one.write_root()
    one.publish()
    read(one)

    # The root's keys change in version 2, which wants two of three; those of two other roles change in version 3.
    one = Repository("rotated", version=7)
    one.write_root()
    one.root.version = 2
    one.write_root(also=one.rotate("root", [ECDSA(), ED25519(), ECDSA()], threshold=2))
    one.root.version = 3
    for role in ("timestamp", "snapshot"):
        one.rotate(role, [ED25519()])
    one.write_root()
    one.add(TARGET, trusted_root("rotated"))
    one.publish()
    read(one)

    # `other` may not sign for the trusted root, `first` leaves it to a role below it, and `last` comes too late.
    one = Repository("delegations")
    other = one.delegate("other", paths=["other/*"])
    first = one.delegate("first", paths=["*.json"])
    inner = one.delegate("inner roots", parent=first, paths=["trusted_*.json"], terminating=True, kind=ECDSA)
    bins = one.delegate("bins", prefixes=[hashlib.sha256(b"hashed").hexdigest()[:2]])
    one.delegate("closed", paths=["closed"], terminating=True)
    last = one.delegate("last", paths=["*"])
    one.add(TARGET, trusted_root("delegations"), inner)
    one.add("hashed", trusted_root("bins"), bins)
    one.add("open", trusted_root("open"), last)
    for targets, wrong in ((other, TARGET), (last, TARGET), (last, "hashed"), (last, "closed")):
        one.add(wrong, b"not this one", targets)
    one.write_root()
    one.publish()
    for target in (TARGET, "hashed", "open"):
        read(one, target)
    read(one, "closed", found=False)

    one = Repository("legacy")
    authority = certificate().public_bytes(serialization.Encoding.PEM)
    for path, data, usage in (
        ("ctfe.pub", public_key(serialization.Encoding.PEM), "CTFE"),
        ("fulcio.crt.pem", authority, "Fulcio"),
        ("rekor.pub", public_key(serialization.Encoding.PEM), "Rekor"),
    ):
        uri = f"https://{usage.lower()}.legacy.test"
        one.add(path, data, custom={"sigstore": {"status": "Active", "uri": uri, "usage": usage}})
    one.add("unrelated", b"unrelated")
    one.write_root()
    one.publish()
    read(one, "rekor.pub")


if __name__ == "__main__":
    main()
