"""Publications of a narrated story, made from its media: the page to listen and read along."""
