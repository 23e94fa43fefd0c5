"""Pictures of a page and its regions: turned, cut, merged, masked, scaled and encoded."""
