"""What the tiers and their supervision share. Imports none of them."""
