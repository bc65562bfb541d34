"""What traces cost the server: the product without them, and with a tenth of them sent away."""
