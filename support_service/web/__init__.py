"""Reader pages, widget, staff and webhooks: everything HTTP."""
