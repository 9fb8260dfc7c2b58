"""Every way to be told, one file each; the table of them is in notifications/__init__."""
