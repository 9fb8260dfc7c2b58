"""What readers see: the support page, the widget, thanks."""
