"""A static address on an EVM network, for the chain's own coin and allow-listed ERC-20 tokens. Pure."""

from collections.abc import Mapping

from support_service.giving import Link, PaymentMethod, Phrase, QrText, Row, Wait, Watch
from support_service.money import Asset
from support_service.rails import shared_options
from support_service.rails.evm.address import read_address
from support_service.rails.evm.network import take_network
from support_service.rails.options import Options, Surroundings

# The names people know the chains by (ethereum-lists/chains); any other shows its name in the settings.
CHAIN_NAMES = {
    1: "Ethereum",
    10: "OP Mainnet",
    56: "BNB Smart Chain",
    100: "Gnosis",
    137: "Polygon",
    8453: "Base",
    42161: "Arbitrum One",
    43114: "Avalanche C-Chain",
    59144: "Linea",
    11155111: "Sepolia (test)",
}


def build_method(key: str, options: Options, around: Surroundings) -> PaymentMethod | None:
    """Read network, address and assets; the network's own coin unless set."""
    before = len(options.mistakes)
    network = shared_options.network(options, around, rail="evm")
    address = shared_options.checked(options, "address", read_address)
    start_block = shared_options.start_block(options, around, network)
    assets, others = _take_assets(options, around, network), _take_others(options, around, network)
    elsewhere = _assets_elsewhere(options, around, others, {asset.code for asset in assets})
    if network is None or address is None or len(options.mistakes) > before:
        return None
    # A block number of one chain says nothing on another: there only that network's own start counts.
    off_route = (
        Watch(
            asset.network, address, asset, key, shared_options.network_start(around, asset.network), is_off_route=True
        )
        for asset in elsewhere
    )
    chain_id = _chain_id(around.networks[network])
    name = chain_name(network, chain_id)
    return PaymentMethod(
        key=key,
        rail="evm",
        wait=_wait(around.networks[network], chain_id),
        title=Phrase("%(network)s (%(asset)s)", (("network", name), ("asset", assets[0].code))),
        subtitle=_subtitle(assets),
        rows=(Row(Phrase("Address"), address, address), Row(Phrase("Network"), name, name, is_typed=False)),
        # The bare address is the form every wallet reads; a token transfer URI has lost people money.
        qr=QrText(address, Phrase("A scan gives the address; choose network and amount in your wallet.")),
        facts=_facts(address, network, chain_id, assets, others=others),
        notes=(Phrase("Send only over the network %(network)s.", (("network", name),)),),
        link=Link(f"ethereum:{address}@{chain_id}", Phrase("Open in a wallet")),
        watches=(*(Watch(network, address, asset, key, start_block) for asset in assets), *off_route),
    )


def check_network(name: str, options: Options) -> None:
    """Check chain id, nodes, quorum, finality and poll interval of one network."""
    take_network(name, options)


# Two epochs of Ethereum's, in minutes and blocks; what stands on it is as final as that, and takes a little longer.
FINAL_BLOCKS = {1: 64, 11155111: 64}
FINAL_MINUTES = 15
FINAL_MINUTES_ELSEWHERE = 20


def _wait(table: Mapping[str, object], chain_id: int) -> Wait:
    """Tell how long a transfer takes: until its block is final, or until so many stand on it."""
    confirm = table.get("confirm", "finalized")
    if isinstance(confirm, int):
        return Wait(confirm + 1)
    blocks = FINAL_BLOCKS.get(chain_id, 0)
    is_known = blocks or chain_id in CHAIN_NAMES
    return Wait(blocks, (FINAL_MINUTES if blocks else FINAL_MINUTES_ELSEWHERE) if is_known else 0)


def chain_name(network: str, chain_id: int) -> str:
    """Name a network in words for people: "Base", or its name in the settings: "my-chain" -> "My Chain"."""
    return CHAIN_NAMES.get(chain_id) or network.replace("-", " ").replace("_", " ").title()


def _take_assets(options: Options, around: Surroundings, network: str | None) -> tuple[Asset, ...]:
    if network is None:
        options.texts("assets")
        return ()
    coin = tuple(asset for asset in around.assets if asset.network == network and not asset.contract)
    return shared_options.assets(options, around, network, default=coin[:1], contract=read_address)


def _take_others(options: Options, around: Surroundings, network: str | None) -> tuple[str, ...]:
    """Take the other networks on which money may arrive at the same address by mistake."""
    others = options.texts("also_networks")
    for position, other in enumerate(others):
        reason = shared_options.why_not_network(other, around, rail="evm")
        if other == network or other in others[:position]:
            reason = f"{other!r} is already watched by this method"
        if reason:
            options.reject("also_networks", reason)
    return others


def _assets_elsewhere(
    options: Options, around: Surroundings, others: tuple[str, ...], codes: set[str]
) -> tuple[Asset, ...]:
    """Find, on the other networks, their own coins and the assets that carry this method's codes."""
    if options.has_mistake("also_networks"):
        return ()
    found = tuple(a for a in around.assets if a.network in others and (a.code in codes or not a.contract))
    for other in others:
        if not any(asset.network == other for asset in found):
            options.reject("also_networks", f"no asset of this method is known on {other!r}; add an [[assets]] table")
    for asset in found:
        why = shared_options.why_not_contract(asset, read_address)
        if why:
            options.reject("also_networks", why)
    return found


def _chain_id(table: Mapping[str, object]) -> int:
    value = table.get("chain_id")
    return value if isinstance(value, int) else 0


def _subtitle(assets: tuple[Asset, ...]) -> Phrase | None:
    others = ", ".join(asset.code for asset in assets[1:])
    return Phrase("Also accepted here: %(assets)s", (("assets", others),)) if others else None


def _facts(
    address: str, network: str, chain_id: int, assets: tuple[Asset, ...], *, others: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    facts = [
        ("address", address),
        ("network", network),
        ("chain_id", str(chain_id)),
        ("assets", ",".join(asset.code for asset in assets)),
        ("also_networks", ",".join(others)),
        *((f"contract:{asset.code}", asset.contract) for asset in assets),
    ]
    return tuple(fact for fact in facts if fact[1])
