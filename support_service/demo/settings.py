"""The demo's settings file: the packaged block of the first user, led to the parts on this machine."""

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from support_service.commands import run as running
from support_service.demo import bitcoin_chain as demo_bitcoin
from support_service.demo.bitcoin_chain import LocalBitcoin, on_this_chain
from support_service.demo.bitcoin_core import CorePort
from support_service.demo.evm_chain import CHAIN_ID, TOKEN_EXPONENT, TOKENS, LocalChain
from support_service.demo.mono import MonoFake
from support_service.demo.stripe import StripeFake
from support_service.demo.tron_node import CHAIN_ID as TRON_CHAIN_ID
from support_service.demo.tron_ports import TronPorts
from support_service.rails.tron.address import from_evm, to_evm
from support_service.settings import packaged_block


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demo's parts listen, and the folder that goes with it."""

    folder: Path
    host: str
    page_port: int
    article_port: int
    node_port: int
    bitcoin_port: int

    @property
    def page(self) -> str:
        """Where the service is reached."""
        return running.page_address(self.host, self.page_port)

    @property
    def article(self) -> str:
        """Where the sample article is reached: another origin than the page, as on a real site."""
        return running.page_address(self.host, self.article_port)

    @property
    def node(self) -> str:
        """Where the local chain answers."""
        return f"http://127.0.0.1:{self.node_port}"

    @property
    def settings(self) -> Path:
        """The demo's settings file."""
        return self.folder / "support.toml"

    @property
    def database_url(self) -> str:
        """The demo's ledger."""
        return f"sqlite:///{self.folder / 'demo.db'}"


@dataclass(frozen=True, slots=True)
class Chains:
    """The local chains; bitcoin and core, as which it is watched, are None where its node is not installed."""

    evm: LocalChain
    tron: TronPorts
    bitcoin: LocalBitcoin | None
    core: CorePort | None


@dataclass(frozen=True, slots=True)
class CardFakes:
    """The stand-ins that charge cards: plata charges hryvnias, Stripe what else there is."""

    stripe: StripeFake
    plata: MonoFake


def receiver(rail: str) -> str:
    """Read where the packaged block asks for a rail's money, as the local chain writes addresses."""
    address = _address(rail)
    match rail:
        case "tron":
            return to_evm(address)
        case "bitcoin":
            return on_this_chain(address)
        case _:
            return address


def bank_numbers() -> tuple[str, str]:
    """Read the IBAN and the card number of the packaged block."""
    block = tomllib.loads(packaged_block().read_text(encoding="utf-8"))
    by_rail = {str(method["rail"]): method for method in block["methods"]}
    return str(by_rail["bank"]["iban"]), str(by_rail["card"]["number"])


def demo_settings(places: Places, chains: Chains, cards: CardFakes) -> str:
    """Write the packaged block anew: where our parts listen, and the local chains under the names of the real ones.

    Secrets, which guard nothing, are put beside it for the stand-ins that charge cards.
    Watching starts after the tokens came to be: before that, nobody could say what their balance was.
    """
    begin = f"poll_seconds = 1\nstart_block = {chains.evm.height() + 1}\n"
    tron_id = f"chain_id = {TRON_CHAIN_ID}\n"
    text = packaged_block().read_text(encoding="utf-8")
    changes = {
        'url = "http://127.0.0.1:8000"': f'url = "{places.page}"',
        "sites = []": f'sites = ["{places.article}"]',
        "# contact = ": "contact = ",
        'url = "sqlite:///support.db"': f'url = "{places.database_url}"',
        "chain_id = 1\n": f'chain_id = {CHAIN_ID}\nrpc = ["{places.node}"]\n{begin}',
        tron_id: f'{tron_id}rpc = ["{chains.tron.rpc}"]\nrpc_solid = ["{chains.tron.solid}"]\n{begin}',
        **_bitcoin_changes(chains.core),
    }
    for old, new in changes.items():
        assert text.count(old) == 1, f"the packaged block has no single {old!r}"
        text = text.replace(old, new)
    tokens = [(code, "ethereum", chains.evm.contracts[code]) for code in TOKENS]
    tokens.append(("USDT", "tron", from_evm(chains.evm.contracts["USDT"])))
    return (
        text
        + _cards(places, cards)
        + "".join(
            f'\n[[assets]]\ncode = "{code}"\nnetwork = "{network}"\ncontract = "{contract}"\n'
            f'exponent = {TOKEN_EXPONENT}\nsource = "the demo\'s own chain"\n'
            for code, network, contract in tokens
        )
    )


def _bitcoin_changes(core: CorePort | None) -> dict[str, str]:
    """Ask for the same script on the local chain, whose addresses have a prefix of their own."""
    if core is None:
        return {}
    # From the first block on: this node cannot say what lay there before.
    begin = "poll_seconds = 1\nstart_block = 1\n"
    return {
        f'address = "{_address("bitcoin")}"': f'address = "{receiver("bitcoin")}"',
        'chain = "main"\n': f'chain = "{demo_bitcoin.CHAIN}"\nrpc = ["{core.url}"]\n{begin}',
    }


def _cards(places: Places, cards: CardFakes) -> str:
    """Take cards at the stand-ins; Stripe's own terms say what readers may add for the fee."""
    terms, abroad = cards.stripe.account.terms, ("EUR", "USD")
    fee = f"{Decimal(terms.fee_permille).scaleb(-1)}% + {Decimal(terms.fee_units).scaleb(-2)}"
    offers = (f'\n[stripe.offers.{currency}]\nfee = "{fee}"\n' for currency in abroad)
    stripe = cards.stripe.settings(places.folder, currencies=abroad)
    return stripe + "".join(offers) + cards.plata.settings(places.folder)


def _address(rail: str) -> str:
    block = tomllib.loads(packaged_block().read_text(encoding="utf-8"))
    return next(str(method["address"]) for method in block["methods"] if method["rail"] == rail)
