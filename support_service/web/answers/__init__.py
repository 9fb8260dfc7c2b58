"""An answer for everybody who gave: one gift's own page, has it arrived, and a regular gift's page."""
