import pickle

import pytest

from codespar_cli.plugins.secrets.key_hierarchy import MasterKey, hkdf_expand, hkdf_extract

# RFC 5869, appendix A: (IKM, salt, info, length, PRK, OKM)
RFC_5869 = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        (
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    ),
    (
        "0b" * 22,
        "",
        "",
        42,
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("material", "salt", "info", "length", "extracted", "expanded"), RFC_5869)
def test_hkdf_sha256_agrees_with_the_rfc(material, salt, info, length, extracted, expanded):
    key = hkdf_extract("sha256", bytes.fromhex(salt), bytes.fromhex(material))
    assert key.hex() == extracted
    assert hkdf_expand("sha256", key, bytes.fromhex(info), length).hex() == expanded


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("length", [1, 32, 64, 65, 200])
def test_hkdf_agrees_with_another_implementation(algorithm, length):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    hash_of = {"sha256": hashes.SHA256, "sha512": hashes.SHA512}[algorithm]
    theirs = HKDF(hash_of(), length, b"salt", b"info").derive(b"material")
    assert hkdf_expand(algorithm, hkdf_extract(algorithm, b"salt", b"material"), b"info", length) == theirs


def test_hkdf_does_not_expand_further_than_the_rfc_allows():
    with pytest.raises(ValueError, match="that far"):
        hkdf_expand("sha256", bytes(32), b"", 255 * 32 + 1)


def test_every_purpose_and_every_vault_has_its_own_key():
    master = MasterKey(bytes(32), "test")
    one, two = master.keys_for(b"1" * 16), master.keys_for(b"2" * 16)
    derived = [
        getattr(keys, name) for keys in (one, two) for name in ("check_value", "manifest", "audit", "fingerprint")
    ]
    derived += [one.kek(1, b"s"), one.kek(2, b"s"), one.kek(1, b"t"), two.kek(1, b"s")]
    assert len(set(derived)) == len(derived)
    assert all(len(key) == 32 for key in derived)


def test_a_fingerprint_tells_values_and_tenants_apart():
    keys = MasterKey(bytes(32), "test").keys_for(bytes(16))
    assert keys.fingerprint_of(b"a", b"v") == keys.fingerprint_of(b"a", b"v")
    assert len({keys.fingerprint_of(*pair) for pair in [(b"a", b"v"), (b"b", b"v"), (b"a", b"w"), (b"av", b"")]}) == 4


def test_keys_neither_show_nor_travel():
    master = MasterKey(b"\x5a" * 32, "env:X")
    keys = master.keys_for(bytes(16))
    assert repr(master) == "<MasterKey from env:X>"
    assert "5a5a" not in repr(keys)
    for secret in (master, keys):
        with pytest.raises(TypeError):
            pickle.dumps(secret)


def test_a_master_key_has_32_bytes():
    with pytest.raises(ValueError):
        MasterKey(b"short", "test")
