"""What every polled chain needs, once: nodes in turn or together, bounded answers, the search for changes."""
