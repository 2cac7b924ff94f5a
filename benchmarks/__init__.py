"""What is claimed about speed and quality, as commands. Nothing in the product imports this."""
