"""What comes in while nothing is verified is marked, and the genuine delivery of the same id is not lost to it."""

import asyncio

import pytest
from receiving_world import CONNECTORS, body_of, connector, signed, world


@pytest.mark.parametrize("provider", CONNECTORS)
def test_a_forged_delivery_never_stands_in_for_the_genuine_one(tmp_path, provider):
    async def check():
        raw = body_of(provider)
        headers = signed(connector(provider), raw)
        forged = [pair for pair in headers if pair[0] != connector(provider).wire.signature_header]
        async with world(tmp_path / "s", provider, verify=False) as it:
            assert (await it.post(f"/webhooks/{provider}", raw, forged)).json["status"] == "accepted"
            assert (await it.post(f"/webhooks/{provider}", raw, forged)).json["status"] == "duplicate"
        async with world(tmp_path / "s", provider) as it:
            assert (await it.post(f"/webhooks/{provider}", raw, headers)).json["status"] == "accepted"
            assert (await it.post(f"/webhooks/{provider}", raw, headers)).json["status"] == "duplicate"
            assert [each.verified for each in it.stored()] == [False, True]

    asyncio.run(check())
