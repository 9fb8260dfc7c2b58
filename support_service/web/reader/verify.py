"""How readers compare the addresses, and what machines and `minisign` need for it."""

from collections.abc import Iterator

from flask import Blueprint, Response, abort, render_template
from flask.blueprints import BlueprintSetupState

from support_service.assembly import Assembly
from support_service.door.shelf import Depends
from support_service.manifest.proof import SIGNATURE_ENDING, Signed
from support_service.web import civil_dates
from support_service.web.public import for_other_sites, public
from support_service.web.service import service

blueprint = Blueprint("verify", __name__)

SIGNED_PATH = "/.well-known/support-methods.signed.json"


def shelved(assembly: Assembly) -> Iterator[tuple[str, Depends]]:
    """Tell the door what each answer depends on."""
    yield "/verify", Depends(choices={"lang": assembly.settings.publisher.languages})
    yield SIGNED_PATH, Depends()
    yield SIGNED_PATH + SIGNATURE_ENDING, Depends()


@blueprint.record_once
def teach_templates(state: BlueprintSetupState) -> None:
    """Let pages say that something is not shown."""
    state.app.add_template_global(has_hidden_methods)


def has_hidden_methods() -> bool:
    """Tell whether a way to give is not shown, for its address is not proved."""
    return len(service().assembly.methods) < len(service().configured.methods)


@blueprint.get("/verify")
def verify() -> Response:
    """Say in plain words how to compare an address before money is sent."""
    at = service()
    trust, signed = at.configured.trust, at.addresses.proof.signed
    return public(
        render_template(
            "verify.html",
            publisher=at.assembly.settings.publisher,
            methods=[method for method in at.assembly.methods if method.rows],
            public_key=trust.public_key if trust else None,
            signed_on=civil_dates.written(signed.document.signed_at, at.zone) if signed else "",
            signed_url=f"{at.base_url}{SIGNED_PATH}",
            signed_name=SIGNED_PATH.rpartition("/")[2],
        )
    )


@blueprint.get(SIGNED_PATH)
def signed_manifest() -> Response:
    """Give the signed text byte for byte."""
    return for_other_sites(public(_signed().text, "application/json"))


@blueprint.get(SIGNED_PATH + SIGNATURE_ENDING)
def signature() -> Response:
    """Give its signature, as `minisign -V` reads it."""
    return for_other_sites(public(_signed().signature, "text/plain"))


def signed_as_json() -> dict[str, object] | None:
    """Describe the signature for /.well-known/support-methods.json; None where nothing is signed."""
    at = service()
    trust, signed = at.configured.trust, at.addresses.proof.signed
    if trust is None or signed is None:
        return None
    return {
        "public_key": trust.public_key.text,
        "signed_at": signed.document.signed_at.isoformat(),
        "document": signed.text.decode(),
        "minisig": signed.signature,
    }


def _signed() -> Signed:
    found = service().addresses.proof.signed
    if found is None:
        abort(404)
    return found
