"""Pages: their elements, texts in two languages, and the frame around them."""
