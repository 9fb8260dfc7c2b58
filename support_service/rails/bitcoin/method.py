"""A static Bitcoin address, shown as BIP-321 URI. Pure."""

from functools import partial

from support_service.giving import Filled, Filling, Link, PaymentMethod, Phrase, QrText, Row, Wait, Watch
from support_service.money import Asset, Money, plain
from support_service.rails import shared_options
from support_service.rails.bitcoin.address import CHAINS, Address, read_address
from support_service.rails.bitcoin.network import read_network, take_network
from support_service.rails.options import Options, Surroundings

# Ten bitcoins: more by a tap is a mistake in typing.
FILLED_UNITS_MAX = 10**9
PRESETS = (50_000, 100_000, 500_000)
BLOCK_MINUTES = 10


def build_method(key: str, options: Options, around: Surroundings) -> PaymentMethod | None:
    """Read network and address; a descriptor is refused until addresses are derived from one."""
    before = len(options.mistakes)
    network = shared_options.network(options, around, rail="bitcoin")
    start_block = shared_options.start_block(options, around, network)
    if "descriptor" in options.values:
        options.anything("descriptor")
        options.reject("descriptor", "is not built yet; give one address instead")
        options.text("address")
        return None
    chain = _chain(around, network)
    address = shared_options.checked(options, "address", lambda text: read_address(text, chain))
    asset = around.asset("BTC", network) if network else None
    if network and asset is None:
        options.reject("network", f"BTC is not known on {network!r}; add an [[assets]] table with exponent 8")
    if network is None or address is None or asset is None or len(options.mistakes) > before:
        return None
    return PaymentMethod(
        key=key,
        rail="bitcoin",
        wait=_wait(network, around),
        title=Phrase("Bitcoin (BTC)")
        if chain == "main"
        else Phrase("Bitcoin, test network %(chain)s", (("chain", chain),)),
        rows=(Row(Phrase("Address"), address.text, address.text),),
        qr=QrText(_scanned(address), Phrase("Scan with a Bitcoin wallet; you enter the amount.")),
        facts=(("address", address.text), ("network", network), ("chain", chain), ("assets", asset.code)),
        notes=(Phrase("Send only BTC, and only over the Bitcoin network: anything else may be lost."),),
        link=Link(f"bitcoin:{address.text}", Phrase("Open in a wallet")),
        watches=(Watch(network, address.text, asset, key, start_block),),
        warnings=_warnings(address),
        filling=Filling(asset, FILLED_UNITS_MAX, PRESETS, partial(_filled, address, asset)),
    )


def _wait(name: str, around: Surroundings) -> Wait | None:
    """Tell how long a transfer takes; a wrong table is already a mistake of its own."""
    try:
        network = read_network(name, around.networks[name])
    except ValueError:
        return None
    blocks = network.confirmations
    return Wait(blocks, blocks * BLOCK_MINUTES, network.large_units, network.large_confirmations)


def check_network(name: str, options: Options) -> None:
    """Check chain, nodes (Bitcoin Core's rpc, Esplora servers), confirmations and poll interval."""
    take_network(name, options)


def _scanned(address: Address) -> str:
    """Write the code: upper case makes the smaller symbol; the scheme stays lower, or a camera opens no wallet."""
    return f"bitcoin:{address.text.upper() if address.is_segwit else address.text}"


def _filled(address: Address, asset: Asset, units: int) -> Filled:
    """Write an amount into both, in whole bitcoins as BIP 321 has it."""
    amount = f"?amount={plain(Money(units, asset))}"
    qr = QrText(_scanned(address) + amount, Phrase("Scan with a Bitcoin wallet: the amount is filled in."))
    return Filled(qr, Link(f"bitcoin:{address.text}{amount}", Phrase("Open in a wallet")))


def _chain(around: Surroundings, network: str | None) -> str:
    """Tell the chain of a network; a wrong one is already a mistake of the network's own table."""
    chain = around.networks[network].get("chain", "main") if network else "main"
    return chain if isinstance(chain, str) and chain in CHAINS else "main"


def _warnings(address: Address) -> tuple[Phrase, ...]:
    if address.has_wallets:
        return ()
    return (Phrase("No wallet makes such an address today (witness version): anybody may be able to take the coins."),)
