"""The block for an article, ready to copy: the HTML that `support-service snippet` prints, and the script's tag."""

from flask import Blueprint, render_template, request

from support_service.ledger.staff import Role
from support_service.web.guard import login_required
from support_service.web.i18n import chosen_language
from support_service.web.reader.block import LAYOUTS
from support_service.web.service import service
from support_service.web.snippet import write_snippet

blueprint = Blueprint("snippets", __name__)


@blueprint.get("/snippet")
@login_required(Role.VIEWER)
def show() -> str:
    """Show the block's HTML in a layout, in the language of the page; for=amp: as AMP pages take it."""
    wanted = request.args.get("layout", "")
    layout = wanted if wanted in LAYOUTS else LAYOUTS[0]
    is_amp = request.args.get("for") == "amp"
    return render_template(
        "staff/snippet.html",
        layouts=LAYOUTS,
        layout=layout,
        html=write_snippet(chosen_language(), layout, is_amp=is_amp),
        is_amp=is_amp,
        tag=f'<script async src="{service().base_url}/widget.js"></script>',
    )
