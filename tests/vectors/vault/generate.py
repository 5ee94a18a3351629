"""Writes the vectors beside it: vaults as rows, with what must come of reading one secret from them.

    python tests/vectors/vault/generate.py

Those named `format1-*` were written by the last codespar that wrote format 1, and are not made again.

Each vector is one JSON file. Blobs are hex. The vectors in which a single row is wrong have every MAC above it made anew
with the right key, so that it is the row's own binding, and nothing else, that must refuse it.
"""

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import apsw

from codespar_cli.core.clock import from_micros
from codespar_cli.core.services import Services
from codespar_cli.plugins.secrets.key_hierarchy import MasterKey
from codespar_cli.plugins.secrets.manifest import header_checksum, rows_digest, tenant_mac, vault_mac, version_digest
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.plugins.secrets.vault_rows import AccessRow, DekRow, Header, TenantRow, VersionRow
from codespar_cli.storage import chain
from codespar_cli.storage.chain import CHAIN_SCHEMA
from codespar_cli.testing import FakeClock

HERE = Path(__file__).parent
MASTER = bytes(range(32))
PASSPHRASE = "correct horse battery stäple"


class Chained(NamedTuple):
    seq: int
    at: int
    kind: str
    actor: str
    body: str
    previous: bytes
    hash: bytes


class ChainHead(NamedTuple):
    seq: int
    hash: bytes
    since: int
    vouched: int
    mac: bytes


TABLES = {
    "header": Header,
    "tenant": TenantRow,
    "dek": DekRow,
    "version": VersionRow,
    "access": AccessRow,
    "chain": Chained,
    "chain_head": ChainHead,
}
ASK = {"tenant": "acme", "key": "API_KEY"}


def rows_of(path):
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = {
        table: [row._make(values) for values in connection.execute(f"SELECT {', '.join(row._fields)} FROM {table}")]
        for table, row in TABLES.items()
    }
    connection.close()
    return found


def replayed(directory):
    """All rows from before the last change, beside the record of it."""
    earlier = {}

    def change(vault):
        earlier.update(rows_of(directory / "state" / "vault.db"))
        vault.set("acme", "API_KEY", "newest")

    newer = a_vault(directory, change)
    return {**earlier, "chain": newer["chain"], "chain_head": newer["chain_head"]}


def a_vault(directory, after=lambda vault: None, options=None, environ=None):
    services = Services(state_dir=directory / "state", clock=FakeClock())
    vault = SecretsVault.from_options(options or {}, services, environ=environ or {"VAULT_MASTER_KEY": MASTER.hex()})
    vault.set("acme", "API_KEY", "first")
    vault.put("acme", "API_KEY", "s3cret ü", note="for CI", expires_at=FakeClock().advance("90d"), actor="generator")
    vault.set("acme", "OTHER", "another value")
    vault.set("globex", "API_KEY", "of another tenant")
    vault.get("acme", "OTHER")
    after(vault)
    rows = rows_of(directory / "state" / "vault.db")
    vault.close()
    return rows


def resealed(rows):
    """The same rows with checksum and MACs that fit them, as only someone with the master key can make them."""
    header = rows["header"][0]
    keys = MasterKey(MASTER, "vector").keys_for(header.vault_id)
    tenants = []
    for tenant in rows["tenant"]:
        versions = sorted((row for row in rows["version"] if row.tenant == tenant.id), key=lambda row: row[1:3])
        tenant = tenant._replace(rows=rows_digest(map(version_digest, versions)))
        deks = sorted((row for row in rows["dek"] if row.tenant == tenant.id), key=lambda row: row.generation)
        access = sorted((row for row in rows["access"] if row.tenant == tenant.id), key=lambda row: row.key)
        tenants.append(tenant._replace(mac=tenant_mac(keys.manifest, header.vault_id, tenant, deks, access)))
    header = header._replace(checksum=header_checksum(header))
    header = header._replace(mac=vault_mac(keys.manifest, header, sorted(tenants, key=lambda row: row.name)))
    return {**rows, "header": [header], "tenant": tenants}


def rewritten(rows, edit):
    """The same rows with every record's body edited and the chain computed anew, as anyone can."""
    connection = apsw.Connection(":memory:")
    connection.execute(CHAIN_SCHEMA)
    for row in rows["chain"]:
        body = json.loads(row.body)
        edit(body)
        chain.append(connection, at=from_micros(row.at), kind=row.kind, actor=row.actor, body=body)
    names = ", ".join(Chained._fields)
    found = [Chained._make(values) for values in connection.execute(f"SELECT {names} FROM chain")]
    head = rows["chain_head"][0]._replace(seq=found[-1].seq, hash=found[-1].hash)
    return {**rows, "chain": found, "chain_head": [head]}


def changed(rows, table, which, **fields):
    return {**rows, table: [row._replace(**fields) if which(row) else row for row in rows[table]]}


def asked_for(row):
    return (row.tenant, row.key, row.version) == (1, b"API_KEY", 2)


def granted(vault):
    vault.put("acme", "API_KEY", "s3cret ü", agents=["ci-*"], tools=["stripe/**", "ledger"], actor="generator")


def rekeyed(rows, kdf):
    """A header that asks for another way of hashing, with a checksum that fits, as anyone can make it."""
    header = rows["header"][0]._replace(kdf=kdf)
    return {**rows, "header": [header._replace(checksum=header_checksum(header))]}


def write(name, rows, expect, *, what, master=MASTER, passphrase=None):
    def plain(value):
        return value.hex() if isinstance(value, bytes) else value

    vector = {
        "what": what,
        **({"master_key": master.hex()} if passphrase is None else {"passphrase": passphrase}),
        "ask": ASK,
        "expect": expect,
        "rows": {
            table: [{field: plain(value) for field, value in row._asdict().items()} for row in found]
            for table, found in rows.items()
        },
    }
    (HERE / f"{name}.json").write_text(json.dumps(vector, indent=1) + "\n")


def main():
    refused = {"error": "integrity"}
    with tempfile.TemporaryDirectory() as directory:
        good = a_vault(Path(directory) / "good")
        rotated = a_vault(Path(directory) / "rotated", lambda vault: vault.rotate_master(actor="generator"))
        reencrypted = a_vault(Path(directory) / "reencrypted", lambda vault: vault.rotate_values(actor="generator"))
        put_back = replayed(Path(directory) / "replayed")
        limited = a_vault(Path(directory) / "limited", granted)
        stretched = a_vault(
            Path(directory) / "stretched",
            options={"master_key": "passphrase:env:P"},
            environ={"P": PASSPHRASE},
        )
    value = {"value": "s3cret ü"}
    (sealed,) = (row.sealed for row in good["version"] if asked_for(row))
    (other,) = (row.sealed for row in good["version"] if row.key == b"OTHER")
    write("good", good, value, what="as written")
    write("good-rewrapped", rotated, value, what="after a rotation of the KEK")
    write("good-reencrypted", reencrypted, value, what="after re-encryption: data key generation 2")
    write("wrong-master-key", good, {"error": "master_key_wrong"}, what="another master key", master=bytes(32))
    cut = changed(good, "version", asked_for, sealed=sealed[:-1])
    write("truncated", resealed(cut), refused, what="the sealed value lacks its last byte; MACs fit")
    write("truncated-unsealed", cut, refused, what="the sealed value lacks its last byte; MACs are as they were")
    swapped = changed(good, "version", asked_for, sealed=other)
    write("swapped", resealed(swapped), refused, what="the sealed value of another key; MACs fit")
    moved = changed(good, "version", asked_for, created_at=1)
    write("wrong-aad", resealed(moved), refused, what="a creation time that was not bound at sealing; MACs fit")
    odd = changed(good, "dek", lambda row: row.tenant == 1, commitment=bytes(32))
    write("wrong-commitment", resealed(odd), refused, what="the data key's commitment is another's; MACs fit")
    stale = changed(reencrypted, "version", asked_for, sealed=sealed, generation=1)
    write("old-generation", resealed(stale), refused, what="a value under a data key that was retired; MACs fit")
    gone = {**good, "version": [row for row in good["version"] if not asked_for(row)]}
    write("deleted-row", gone, refused, what="the newest version is missing; MACs are as they were")
    last = good["chain"][-2]
    shorter = changed(good, "chain_head", lambda row: True, seq=last.seq, hash=last.hash)
    shorter = {**shorter, "chain": good["chain"][:-1]}
    write("record-cut", shorter, refused, what="the last record, of a read, is missing, and the chain's head fits that")
    untagged = rewritten(good, lambda body: body.pop("tag", None))
    write("record-rewritten", untagged, refused, what="every record without its tag; the chain's hashes fit")
    back = changed(good, "header", lambda row: True, epoch=good["header"][0].epoch - 1)
    write("replayed-rows", put_back, refused, what="rows from before the last change, beside the record of it")
    write_format_two(limited, stretched, value, refused)
    write("epoch-turned-back", back, refused, what="the header's epoch is one lower; its MAC is as it was")


def write_format_two(limited, stretched, value, refused):
    write("good-granted", limited, value, what="limited to agents and tools; asked for without naming any")
    wider = changed(limited, "access", lambda row: True, agents=None)
    write("grant-widened", wider, refused, what="the agents of a grant are missing; MACs are as they were")
    write("grant-deleted", {**limited, "access": []}, refused, what="the grant is missing; MACs are as they were")
    write("good-passphrase", stretched, value, what="under a passphrase", passphrase=PASSPHRASE)
    wrong = {"error": "master_key_wrong"}
    write("wrong-passphrase", stretched, wrong, what="another passphrase", passphrase=PASSPHRASE.upper())
    write("wrong-kind-of-key", stretched, wrong, what="a key where a passphrase is needed")
    kdf = stretched["header"][0].kdf
    greedy = kdf[:36] + (2**21).to_bytes(8, "big") + kdf[44:]
    write("greedy-kdf", rekeyed(stretched, greedy), refused, what="the header asks for 2 GiB", passphrase=PASSPHRASE)
    cheap = kdf[:36] + (1024).to_bytes(8, "big") + kdf[44:]
    write("cheap-kdf", rekeyed(stretched, cheap), refused, what="the header asks for 1 MiB", passphrase=PASSPHRASE)
    none = rekeyed(stretched, None)
    write("kdf-deleted", none, {"error": "master_key_wrong"}, what="the header has no kdf", passphrase=PASSPHRASE)


if __name__ == "__main__":
    main()
