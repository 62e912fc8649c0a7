"""How a page is made: elements, texts in two languages, and the frame around them."""
