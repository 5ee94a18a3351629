"""The vectors, read by the vault and by a second reader that was written from docs/spec/vault.md alone."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from vault_kit import make_vault

from codespar_cli.errors import CodesparError
from codespar_cli.plugins.secrets.vault_store import VaultStore

VECTORS = sorted((Path(__file__).parents[2] / "vectors" / "vault").glob("*.json"))
BLOBS = {
    "header": {"vault_id", "kek_salt", "check_value", "kdf", "checksum", "mac"},
    "tenant": {"name", "rows", "mac"},
    "dek": {"id", "salt", "commitment", "wrapped"},
    "version": {"key", "note", "sealed"},
    "access": {"key", "agents", "tools"},
    "chain": {"previous", "hash"},
    "chain_head": {"hash", "mac"},
}
ONLY = {"header": {"only": 1, "unclean": 0}, "chain_head": {"only": 1}}
ERRORS = {"integrity", "master_key_wrong"}


def load(path):
    vector = json.loads(path.read_text())
    for table, rows in vector["rows"].items():
        for row in rows:
            row.update({name: bytes.fromhex(row[name]) for name in BLOBS[table] if row.get(name) is not None})
    return vector


def test_there_is_a_vector_of_every_kind():
    assert {path.stem for path in VECTORS} >= {
        "good", "truncated", "swapped", "wrong-aad", "wrong-commitment", "old-generation", "wrong-master-key", "deleted-row",
        "record-cut", "record-rewritten", "good-granted", "grant-widened", "good-passphrase", "wrong-passphrase",
        "greedy-kdf", "replayed-rows", "format1-good", "format1-swapped", "format1-wrong-master-key",
    }  # fmt: skip


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_vault_answers_what_the_vector_expects(path, state):
    vector = load(path)
    store = VaultStore(state / "vault.db")
    with store.write(durable=True) as connection:
        connection.execute("PRAGMA defer_foreign_keys=ON")
        connection.execute("DELETE FROM chain_head")
        for table, rows in vector["rows"].items():
            for row in rows:
                fields = {**row, **ONLY.get(table, {})}
                places = ", ".join("?" * len(fields))
                connection.execute(
                    f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({places})", tuple(fields.values())
                )
    store.close()
    if "passphrase" in vector:
        vault = make_vault(state, vector["passphrase"], master_key="passphrase:env:VAULT_MASTER_KEY")
    else:
        vault = make_vault(state, "hex:" + vector["master_key"])
    try:
        found = {"value": vault.get(vector["ask"]["tenant"], vector["ask"]["key"])}
    except CodesparError as error:
        found = {"error": error.code}
    assert found == vector["expect"]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_reader_written_from_the_specification_agrees(path):
    vector = load(path)
    try:
        found = {"value": Specified(vector).read(vector["ask"]["tenant"].encode(), vector["ask"]["key"].encode())}
    except Refused as refusal:
        found = {"error": str(refusal)}
    assert found == vector["expect"]


class Refused(Exception):
    pass


def F(*fields):
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def fields(framed):
    found = []
    while framed:
        end = 4 + int.from_bytes(framed[:4], "big")
        found.append(framed[4:end])
        framed = framed[end:]
    return found


def N(number):
    return b"" if number is None else number.to_bytes(8, "big", signed=True)


def O(blob):  # noqa: E743  the specification's name for an optional field
    return b"\x00" if blob is None else b"\x01" + blob


def L(purpose):
    return b"codespar vault 1 " + purpose.encode()


class Specified:
    """Sections 3 to 8 of the specification, with another HKDF and no code of the vault."""

    def __init__(self, vector):
        rows = vector["rows"]
        (self.header,) = rows["header"]
        self.tenants, self.deks, self.versions = rows["tenant"], rows["dek"], rows["version"]
        self.chain, self.chain_head = rows["chain"], rows["chain_head"]
        self.access = rows.get("access", [])
        self.kdf = self.header.get("kdf")
        self.takes_passphrase = "passphrase" in vector
        self.master = bytes.fromhex(vector["master_key"]) if "master_key" in vector else self.stretched(vector)

    def stretched(self, vector):
        if self.kdf is None:
            raise Refused("master_key_wrong")
        name, salt, *numbers = fields(self.kdf)
        memory, passes, lanes = (int.from_bytes(number, "big", signed=True) for number in numbers)
        self.require(name == b"argon2id" and len(salt) == 16)
        self.require(19_456 <= memory <= 262_144 and 2 <= passes <= 16 and 1 <= lanes <= 16)
        stretch = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
        return stretch.derive(vector["passphrase"].encode())

    def derive(self, info):
        return HKDF(hashes.SHA256(), 32, self.header["vault_id"], info).derive(self.master)

    def read(self, tenant_name, key):
        header = self.header
        fixed = (
            N(header["format"]), header["vault_id"], N(header["created_at"]),
            N(header["kek_version"]), header["kek_salt"], header["check_value"],
        )  # fmt: skip
        self.require(header["format"] in (1, 2))
        if header["format"] == 2:
            fixed += (O(self.kdf),)
        self.require(hashlib.sha256(F(L("header"), *fixed)).digest() == header["checksum"])
        if self.takes_passphrase != (self.kdf is not None) or self.derive(L("key check")) != header["check_value"]:
            raise Refused("master_key_wrong")
        self.manifest = self.derive(L("manifest"))
        manifests = [
            field
            for tenant in sorted(self.tenants, key=lambda row: row["name"])
            for field in (tenant["name"], N(tenant["epoch"]), tenant["mac"])
        ]
        self.require(self.mac(L("vault manifest"), *fixed, N(header["epoch"]), *manifests) == header["mac"])
        self.check_record(rows=sorted(self.chain, key=lambda row: row["seq"]))
        (tenant,) = (row for row in self.tenants if row["name"] == tenant_name)
        deks, versions = self.checked(tenant)
        newest = max((row for row in versions if row["key"] == key), key=lambda row: row["version"])
        return self.open(tenant_name, deks, newest)

    def check_record(self, rows):
        key = self.derive(L("audit"))
        (head,) = self.chain_head
        previous = bytes(32)
        self.require(head["vouched"] <= len(rows))
        vouched = rows[head["vouched"] - 1]["hash"] if head["vouched"] else previous
        fields = F(L("audit head"), N(head["since"]), N(head["vouched"]), vouched)
        fields += F(N(self.header["epoch"])) if self.header["format"] == 2 else b""
        self.require(hmac.new(key, fields, "sha256").digest() == head["mac"])
        for place, row in enumerate(rows, 1):
            body = json.loads(row["body"])
            tag = body.pop("tag", None)
            self.require((row["seq"], row["previous"]) == (place, previous))
            if tag is None:
                self.require(body["outcome"] in ("refused", "missing") and "epoch" not in body)
            elif row["seq"] >= head["since"]:
                text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
                fields = F(L("audit record"), N(row["at"]), row["kind"].encode(), row["actor"].encode(), text, previous)
                self.require(hmac.new(key, fields, "sha256").digest()[:16].hex() == tag)
            self.require(self.chained(row, previous) == row["hash"])
            previous = row["hash"]
        self.require((head["seq"], head["hash"]) == (len(rows), previous))

    def chained(self, row, previous):
        parts = (
            b"codespar chain 1", str(row["seq"]).encode(), str(row["at"]).encode(), row["kind"].encode(),
            row["actor"].encode(), row["body"].encode(), previous,
        )  # fmt: skip
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()

    def checked(self, tenant):
        deks = sorted((r for r in self.deks if r["tenant"] == tenant["id"]), key=lambda r: r["generation"])
        versions = sorted(
            (r for r in self.versions if r["tenant"] == tenant["id"]), key=lambda r: (r["key"], r["version"])
        )
        keys = b"".join(
            hashlib.sha256(
                F(L("dek row"), N(r["generation"]), r["id"], N(r["kek_version"]), r["salt"], r["commitment"],
                  r["wrapped"], N(r["encryptions"]), N(r["created_at"]))
            ).digest()
            for r in deks
        )  # fmt: skip
        listed = b"".join(
            hashlib.sha256(
                F(L("version row"), r["key"], N(r["version"]), N(r["generation"]), N(r["created_at"]),
                  N(r["expires_at"]), N(r["retires_at"]), N(r["state"]), O(r["note"]), O(r["sealed"]))
            ).digest()
            for r in versions
        )  # fmt: skip
        self.require(hashlib.sha256(F(L("tenant rows"), listed)).digest() == tenant["rows"])
        granted = b"".join(
            hashlib.sha256(F(L("access row"), r["key"], O(r["agents"]), O(r["tools"]))).digest()
            for r in sorted(self.access, key=lambda r: r["key"])
            if r["tenant"] == tenant["id"]
        )
        listed = (self.header["vault_id"], tenant["name"], N(tenant["epoch"]), tenant["rows"], keys)
        listed += (granted,) if granted else ()
        self.require(self.mac(L("tenant manifest"), *listed) == tenant["mac"])
        return {row["generation"]: row for row in deks}, versions

    def open(self, tenant_name, deks, row):
        dek = deks.get(row["generation"])
        self.require(dek is not None)
        vault_id = self.header["vault_id"]
        kek = self.derive(F(L("kek"), N(self.header["kek_version"]), self.header["kek_salt"]))
        bound = F(L("wrap"), vault_id, tenant_name, dek["id"], N(dek["generation"]), N(dek["kek_version"]))
        material = self.decrypted(kek, dek["wrapped"], bound)
        both = HKDF(hashes.SHA512(), 64, dek["salt"], F(L("data key"), vault_id, dek["id"])).derive(material)
        self.require(both[32:] == dek["commitment"])
        bound = F(L("value"), vault_id, tenant_name, row["key"], N(row["version"]), dek["id"],
                  N(dek["generation"]), N(row["created_at"]), N(row["expires_at"]))  # fmt: skip
        return self.decrypted(both[:32], row["sealed"], bound).decode()

    def mac(self, *fields):
        return hmac.new(self.manifest, F(*fields), "sha256").digest()

    def decrypted(self, key, sealed, bound):
        try:
            return AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)
        except InvalidTag:
            raise Refused("integrity") from None

    @staticmethod
    def require(condition):
        if not condition:
            raise Refused("integrity")
