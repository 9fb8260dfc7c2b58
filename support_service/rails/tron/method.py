"""TRC-20 tokens at a static TRON address. TRON has no payment URI that wallets agree on. Pure."""

from support_service.giving import PaymentMethod, Phrase, QrText, Row, Wait, Watch
from support_service.money import Asset
from support_service.rails import shared_options
from support_service.rails.options import Options, Surroundings
from support_service.rails.tron.address import read_address
from support_service.rails.tron.network import take_network

NETWORK_WORDS = "TRON (TRC20)"


def build_method(key: str, options: Options, around: Surroundings) -> PaymentMethod | None:
    """Read network, address and tokens; every token known on the network unless set."""
    before = len(options.mistakes)
    network = shared_options.network(options, around, rail="tron")
    address = shared_options.checked(options, "address", read_address)
    start_block = shared_options.start_block(options, around, network)
    assets = _take_assets(options, around, network)
    if network is None or address is None or len(options.mistakes) > before:
        return None
    codes = ", ".join(asset.code for asset in assets)
    return PaymentMethod(
        key=key,
        rail="tron",
        wait=_wait(around.networks[network].get("confirm")),
        title=Phrase("%(asset)s (TRON, TRC20)", (("asset", assets[0].code),)),
        rows=(
            Row(Phrase("Address"), address, address),
            Row(Phrase("Network"), NETWORK_WORDS, NETWORK_WORDS, is_typed=False),
        ),
        qr=QrText(
            address,
            Phrase(
                "A scan gives the address; choose %(assets)s and the network %(network)s in your wallet.",
                (("assets", codes), ("network", NETWORK_WORDS)),
            ),
        ),
        facts=_facts(address, network, around.networks[network].get("chain_id"), assets),
        notes=(
            Phrase(
                "Send only %(assets)s, and only over the network %(network)s: anything else may be lost.",
                (("assets", codes), ("network", NETWORK_WORDS)),
            ),
        ),
        watches=tuple(Watch(network, address, asset, key, start_block) for asset in assets),
    )


# 19 of the 27 who make TRON's blocks must have stood on one; they take 3 seconds each.
SOLID_BLOCKS, SOLID_MINUTES = 19, 1


def _wait(confirm: object) -> Wait:
    return Wait(confirm + 1) if isinstance(confirm, int) else Wait(SOLID_BLOCKS, SOLID_MINUTES)


def check_network(name: str, options: Options) -> None:
    """Check chain id, nodes (rpc, rpc_solid, native, trongrid), quorum, finality and poll interval."""
    take_network(name, options)


def _take_assets(options: Options, around: Surroundings, network: str | None) -> tuple[Asset, ...]:
    if network is None:
        options.texts("assets")
        return ()
    tokens = tuple(asset for asset in around.assets if asset.network == network and asset.contract)
    assets = shared_options.assets(options, around, network, default=tokens, contract=read_address)
    for asset in assets:
        if not asset.contract:
            options.reject("assets", f"{asset.code!r} has no contract; this rail accepts TRC20 tokens only")
    return assets


def _facts(address: str, network: str, chain_id: object, assets: tuple[Asset, ...]) -> tuple[tuple[str, str], ...]:
    return (
        ("address", address),
        ("network", network),
        ("standard", "TRC20"),
        ("chain_id", str(chain_id)),
        ("assets", ",".join(asset.code for asset in assets)),
        *((f"contract:{asset.code}", asset.contract) for asset in assets),
    )
