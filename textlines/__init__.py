"""Text lines on the CPU: where they are and in which order people read them.

Used by both tiers where no GPU is at hand: the gateway finds text that the layout missed, the embedded engine reads
crops.
"""
